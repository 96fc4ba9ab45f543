/**
 * Text as it may go to a terminal: control characters (besides line feed and tab), those that turn the direction of writing, and
 * the line separators of Unicode become escapes. Inside a JSON document that is the same document.
 */
export function visibleText(text: string): string {
  return text.replaceAll(
    HIDDEN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** All of them have one UTF-16 unit. */
const HIDDEN = /[^\P{Cc}\n\t]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** What a line of progress begins with: back to its start, and clear. */
export const CLEAR_LINE = '\r\u001b[K';

/** The same for what may begin with such a line. */
export function visibleProgress(text: string): string {
  return text.startsWith(CLEAR_LINE)
    ? `${CLEAR_LINE}${visibleText(text.slice(CLEAR_LINE.length))}`
    : visibleText(text);
}
