/** Light, dark, or what the system says. */

import type { State } from "../contract";

const system = window.matchMedia("(prefers-color-scheme: dark)");

export function isDark(theme: State["theme"]): boolean {
  return theme === "auto" ? system.matches : theme === "dark";
}

/** Calls back when the system changes between light and dark. */
export function onSystemTheme(listener: () => void): void {
  system.addEventListener("change", listener);
}
