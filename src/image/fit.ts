/** How a picture meets a size of another form. */
export type FitMode = 'squash' | 'fit-shortest' | 'fit-longest';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where the whole picture lies on the target, in target pixels; may reach over its edges. */
export interface Fit {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Lays a picture on a target: `squash` stretches it, `fit-shortest` fills the target and cuts the
 * rest off evenly, `fit-longest` shows all of it between even bars.
 */
export function fitPicture(picture: Size, target: Size, mode: FitMode): Fit {
  if (mode === 'squash') return { left: 0, top: 0, width: target.width, height: target.height };
  const across = target.width / picture.width;
  const down = target.height / picture.height;
  const scale = mode === 'fit-shortest' ? Math.max(across, down) : Math.min(across, down);
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  return {
    left: Math.floor((target.width - width) / 2),
    top: Math.floor((target.height - height) / 2),
    width,
    height,
  };
}
