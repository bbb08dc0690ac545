/**
 * Calls `work` for each item, at most `inFlightMax` at a time, pulling the next item only when there
 * is room. Resolves when the items have ended and all work is done. `work` must not throw: the first
 * throw ends the pulling and is thrown on.
 */
export async function eachConcurrent<Item>(
  items: AsyncIterable<Item>,
  inFlightMax: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let inFlight = 0;
  let wake: (() => void) | undefined;
  let failure: { readonly cause: unknown } | undefined;
  const finish = () => {
    inFlight -= 1;
    wake?.();
  };
  const fail = (cause: unknown) => {
    failure ??= { cause };
    finish();
  };
  const settled = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  for await (const item of items) {
    inFlight += 1;
    work(item).then(finish, fail);
    while (inFlight >= inFlightMax && failure === undefined) await settled();
    if (failure !== undefined) break;
  }
  while (inFlight > 0) await settled();
  if (failure !== undefined) throw failure.cause;
}
