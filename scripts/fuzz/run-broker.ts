export async function runBroker(range: unknown): Promise<never> {
  throw new Error(String(range));
}
