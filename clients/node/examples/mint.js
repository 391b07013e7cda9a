// Reads subjects, one JSON object a line, and prints their identities:
//
//   echo '{"patientId": "P1", "sex": "SEX_FEMALE"}' | node examples/mint.js
//
// Patient values come on standard input, since a command line is for everybody to see.

import { createInterface } from 'node:readline/promises';
import { MeshError } from '../lib/index.js';
import { run, show, tell } from './cli.js';

const options = { domain: { type: 'string' } };

await run('guid', '127.0.0.1:50063', '', options, async (guid, { domain }) => {
  const subjects = [];
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      subjects.push(JSON.parse(line));
    } catch {
      throw new Error(`line ${subjects.length + 1} is no subject`);
    }
  }
  const { results } = await guid.batchMintIdentities({ domain, subjects });
  // In order; one that could not be minted does not spoil the rest.
  for (const { identity, status } of results) {
    if (status) tell(MeshError.ofStatus(status));
    else show(identity.id, identity.name, identity.timeOffset.seconds);
  }
});
