/** Stems that people know by a color; others get one of the rest, always the same. */
const KNOWN = ['drums', 'bass', 'other', 'vocals', 'guitar', 'piano'];

export function stemColor(name: string): string {
  const known = KNOWN.indexOf(name);
  const sum = Array.from(name).reduce((total, letter) => total + (letter.codePointAt(0) ?? 0), 0);
  return `var(--stem-${String(known >= 0 ? known : sum % KNOWN.length)})`;
}
