/** Which tokens the filters keep: text or pattern, word class, sentence block, position range; each joined by "and". */

import type { State } from "../contract";
import { keysOf } from "../payload/lookup";
import type { Text, Tokens } from "../payload/payload";

export interface Kept {
  queries: Uint8Array; // [T], 1: kept
  keys: Uint8Array; // [S]
  error: string | null; // what is wrong with the pattern; it then keeps every token
}

export function kept(text: Text, state: State): Kept {
  const { test, error } = matcher(state.text);
  const keys = keysOf(text);
  return {
    queries: keptOf(text.queries, state, state.on !== "key", test, sentence(text, state.block[0])),
    keys: keptOf(keys, state, state.on !== "query", test, sentence(text, state.block[1])),
    error,
  };
}

type Test = (words: string) => boolean;

function keptOf(tokens: Tokens, state: State, asked: boolean, test: Test | null, inside: (i: number) => boolean) {
  const out = new Uint8Array(tokens.text.length);
  const last = state.to ?? Infinity;
  for (let i = 0; i < out.length; i++) {
    if (i < state.from || i > last || !inside(i)) continue;
    if (asked && state.word_class && tokens.word_class && tokens.word_class[i] !== state.word_class) continue;
    const shown = tokens.text[i];
    const written = [shown, shown.replaceAll("·", " "), tokens.joined[i] ?? ""]; // a space is shown as a dot
    if (asked && test && !written.some(test)) continue;
    out[i] = 1;
  }
  return out;
}

/** Whether position i lies in sentence A or B; every position does where the text is not a pair of sentences. */
function sentence(text: Text, which: string | undefined): (i: number) => boolean {
  const split = text.split;
  if (which === undefined || split === null || text.keys !== null) return () => true;
  return which === "A" ? (i) => i < split : (i) => i >= split;
}

/** `word`: a part of the token, in any case. `/pattern/flags`: a regular expression. */
function matcher(words: string): { test: Test | null; error: string | null } {
  if (!words) return { test: null, error: null };
  const pattern = /^\/(.+)\/([a-z]*)$/s.exec(words);
  if (!pattern) {
    const part = words.toLowerCase();
    return { test: (token) => token.toLowerCase().includes(part), error: null };
  }
  try {
    const expression = new RegExp(pattern[1], pattern[2].replace(/[gy]/g, "")); // g and y would keep a position
    return { test: (token) => expression.test(token), error: null };
  } catch (problem) {
    return { test: null, error: `This pattern cannot be read: ${(problem as Error).message}.` };
  }
}
