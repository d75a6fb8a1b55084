/** Text that is HTML already: it goes into a page as it is. Everything else is escaped. */
export interface Html {
  readonly html: string;
}

type HtmlValue = Html | string | number | undefined | readonly Html[];

/** Makes HTML of a template; values that are no HTML themselves cannot become any. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return { html: parts.reduce((text, part, index) => text + toText(values[index - 1]) + part) };
}

/** Nothing. */
export const NOTHING: Html = { html: '' };

function toText(value: HtmlValue): string {
  if (value === undefined) return '';
  if (typeof value === 'object')
    return 'html' in value ? value.html : value.map((each) => each.html).join('');
  return String(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
