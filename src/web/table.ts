import { html } from '#web/html';
import type { Html } from '#web/html';

/** One thing of a table: what it is, how it is, and what more there is to say. */
export interface TableRow {
  readonly id: string;
  readonly name: string;
  /** Where it is, in full. */
  readonly reference: string;
  readonly state: string;
  /** The class of the state's colours: a phase. */
  readonly colours: string;
  readonly reason: string | undefined;
  readonly details: Html;
}

/** A table below the heading `<id>-title`. The roles stay where a narrow screen lays it out as a list. */
export function toTable(id: string, columns: readonly string[], rows: readonly Html[]): Html {
  return html`<table role="table" class="card" aria-labelledby="${id}-title">
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => html`<th role="columnheader" scope="col">${column}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup" id="${id}-rows">
      ${rows}
    </tbody>
  </table>`;
}

/** One row. */
export function toRow({ id, name, reference, state, colours, reason, details }: TableRow): Html {
  return html`<tr role="row" id="${id}">
    <th role="rowheader" scope="row"><b>${name}</b> <code>${reference}</code></th>
    <td role="cell"><span class="badge ${colours}">${state}</span> ${reason}</td>
    <td role="cell">${details}</td>
  </tr>`;
}
