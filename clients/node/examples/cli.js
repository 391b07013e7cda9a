// What the examples have in common: how to reach a service, and how to end.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MeshError, connect } from '../lib/index.js';

const REACH = {
  address: { type: 'string' }, // HOST:PORT
  ca: { type: 'string' }, // use TLS, and trust the certificates in this PEM file
  cert: { type: 'string' }, // with --ca: this client's certificate, a PEM file
  key: { type: 'string' }, // with --cert: its key, a PEM file
  'token-file': { type: 'string' }, // with --ca: a file with a bearer token
  timeout: { type: 'string', default: '30s' }, // how long a call that answers once may take
};

/**
 * Parses the command line, connects to one service and runs an example. An error is printed, and the
 * program ends with 1.
 *
 * @param {string} service the service, as `connect` names it
 * @param {string} address where it is unless --address says otherwise
 * @param {string} usage the arguments; each word must be there that is not in brackets
 * @param {object} options the example's own flags, as parseArgs wants them
 * @param {(client: object, values: object, args: string[], open: Function) => Promise<void>} example
 *   gets the client; `open` gives one of another service at the same address
 */
export async function run(service, address, usage, options, example) {
  const clients = [];
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { ...REACH, ...options } });
    const needed = usage.split(' ').filter((word) => word && !word.startsWith('[')).length;
    if (positionals.length < needed) throw new Error(`usage: ${process.argv[1]} [flags] ${usage}`);
    const { ca: caFile, cert: certFile, key: keyFile, 'token-file': tokenFile } = values;
    const timeout = Number.parseFloat(values.timeout) * 1_000;
    const reach = { timeout, tokenFile, tls: caFile && { caFile, certFile, keyFile } };
    const open = (name) => {
      clients.push(connect(name, values.address ?? address, reach));
      return clients.at(-1);
    };
    await example(open(service), values, positionals, open);
  } catch (error) {
    tell(error);
  } finally {
    for (const client of clients) client.close();
  }
}

/** Prints an error; the program will end with 1. */
export function tell(error) {
  console.error(error instanceof MeshError ? error.toString() : error.message);
  process.exitCode = 1;
}

/** Columns of a line. */
export function show(...columns) {
  console.log(columns.join('\t'));
}

/** KEY=VALUE arguments as an object. */
export function pairs(texts = []) {
  return Object.fromEntries(texts.map(cut));
}

/** A text before and after its first "=". */
export function cut(text) {
  const [before, ...after] = text.split('=');
  return [before, after.join('=')];
}

/** The files named and those in the folders named. */
export async function filesIn(roots) {
  const paths = [];
  for (const root of roots) {
    if ((await stat(root)).isFile()) paths.push(root);
    else for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) paths.push(join(entry.parentPath, entry.name));
    }
  }
  return paths.sort();
}
