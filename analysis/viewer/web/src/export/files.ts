/** Names and tables for files that leave the page: whatever a token or a model is called, they are harmless. */

/** Letters, digits, points and hyphens: a name that means nothing to any shell or file system. */
export function fileName(stem: string, ending: string): string {
  const safe = stem
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9.]+/g, "-")
    .replace(/^[-.]+/, "")
    .slice(0, 80);
  return `${safe.replace(/[-.]+$/, "") || "jattn"}.${ending}`;
}

/** RFC 4180. Text that a spreadsheet would run as a formula is kept text by an apostrophe before it. */
export function csv(rows: (string | number)[][]): string {
  const cell = (value: string | number) => {
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    const words = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(words) ? `"${words.replace(/"/g, '""')}"` : words;
  };
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}
