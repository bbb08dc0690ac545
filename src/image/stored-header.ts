/** What a file says of its pixels: the size as stored and the EXIF orientation, 1 to 8. */
export interface StoredHeader {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}
