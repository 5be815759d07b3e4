/** What is kept of what was worked out: `recent` remembers values up to a size, `cache` also makes them, in turn. */

/** The value of this key, made if it is not remembered; undefined if there is nothing to make it with. */
export type Recent<V> = (key: string, make?: () => V | undefined) => V | undefined;

/** Values in the order of their last use; the longest unused are forgotten when all together grow past the limit. */
export function recent<V>(bytes: (value: V) => number, limit: number): Recent<V> {
  const values = new Map<string, V>();
  let held = 0;
  return (key, make) => {
    const known = values.get(key);
    const value = known ?? make?.();
    if (value === undefined) return undefined;
    values.delete(key);
    values.set(key, value);
    if (known === undefined) held += bytes(value);
    for (const [old, other] of values) {
      if (held <= limit || old === key) break;
      values.delete(old);
      held -= bytes(other);
    }
    return value;
  };
}

export interface Cache<V> {
  /** The value if it is there; else undefined, and it will be made: the listener is told when it is. */
  get(key: string, make: () => Promise<V>, urgent: boolean): V | undefined;
  /** Forgets what was asked for and has not begun. */
  clear(): void;
}

const AT_ONCE = 3; // made side by side; what is urgent does not wait for them

export function cache<V>(bytes: (value: V) => number, limit: number, listener: () => void): Cache<V> {
  const values = recent(bytes, limit);
  const making = new Set<string>();
  const waiting = new Map<string, () => Promise<V>>();

  const begin = async (key: string, make: () => Promise<V>): Promise<void> => {
    waiting.delete(key);
    making.add(key);
    const value = await make();
    making.delete(key);
    values(key, () => value);
    listener();
    const [next] = waiting;
    if (next && making.size < AT_ONCE) void begin(...next);
  };
  return {
    get(key, make, urgent) {
      const value = values(key);
      if (value !== undefined || making.has(key)) return value;
      if (urgent || making.size < AT_ONCE) void begin(key, make);
      else waiting.set(key, make);
      return undefined;
    },
    clear: () => waiting.clear(),
  };
}
