/** How a model is named in results, logs and lists. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  readonly precision: string;
}
