/** Passwords by the labels that stand for them where people look or type. */
export type Labels = ReadonlyMap<string, string>;

const HIDDEN = '<hidden>';

/**
 * Labels in a document become the passwords they stand for.
 * @throws for `<hidden>`, which stands for one that only the twin knows
 */
export function revealPasswords(document: unknown, labels: Labels): unknown {
  return mapStrings(document, (text) => {
    if (text === HIDDEN)
      throw new Error(`${HIDDEN} stands for a password that the lab does not know: put it in anew`);
    return labels.get(text) ?? text;
  });
}

/** The reverse. A password without a label becomes `<hidden>`. */
export function concealPasswords(document: unknown, labels: Labels = new Map()): unknown {
  const byPassword = new Map([...labels].map(([label, password]) => [password, label]));
  return mapStrings(
    document,
    (text, key) => byPassword.get(text) ?? (key === 'password' || key === 'password2' ? HIDDEN : text),
  );
}

function mapStrings(value: unknown, change: (text: string, key: string) => string, key = ''): unknown {
  if (typeof value === 'string') return change(value, key);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, mapStrings(item, change, name)]),
  );
}
