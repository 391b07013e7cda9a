// What the examples of notify have in common.

import { pairs, show } from './cli.js';

/** Flags that say a message: a template, or a text. */
export const CONTENT = {
  template: { type: 'string' }, // a configured template's name, in place of --subject and --body
  subject: { type: 'string' },
  body: { type: 'string' },
  value: { type: 'string', multiple: true }, // what templates may name, KEY=VALUE
};

/** The message that the flags say. */
export function content({ template, subject, body, value }) {
  return { template, subject, body, values: pairs(value) };
}

/** Prints a delivery's name, state, transport and attempts. */
export function showDelivery({ name, state, recipient, attemptCount, lastError }) {
  show(name, word(state, 'STATE_'), word(recipient.transport, 'TRANSPORT_'), attemptCount, lastError);
}

function word(name, prefix) {
  return name.slice(prefix.length).toLowerCase();
}
