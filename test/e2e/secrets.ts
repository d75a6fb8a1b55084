/** Bytes or text in which no secret may stand, by what it is. */
export type Places = Readonly<Record<string, string | Buffer>>;

/**
 * Which secrets stand where, as `place: secret 1`: as they are, escaped for URLs or JSON, or inside anything that was
 * encoded in base64, as registry credentials are on their way.
 */
export function findSecrets(places: Places, secrets: Iterable<string>): string[] {
  const forms = [...secrets].map(toForms);
  return Object.entries(places).flatMap(([place, content]) =>
    forms.flatMap((wordings, index) =>
      wordings.some((wording) => content.includes(wording)) ? [`${place}: secret ${index + 1}`] : [],
    ),
  );
}

function toForms(secret: string): string[] {
  const encoded = [0, 1, 2].map((offset) => toBase64Inside(secret, offset));
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    ...encoded,
    ...encoded.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}

/** What base64 makes of the secret wherever `offset` (modulo 3) bytes come before it; its edges depend on its neighbours. */
function toBase64Inside(secret: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]);
  const first = Math.ceil((offset * 8) / 6);
  return bytes.toString('base64').slice(first, Math.floor((bytes.length * 8) / 6));
}
