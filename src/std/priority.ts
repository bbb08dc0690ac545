/** Who goes first where two want the same worker. */
export type Priority = 'high' | 'normal' | 'low';
