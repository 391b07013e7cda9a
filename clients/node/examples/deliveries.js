// Lists what notify has sent or is about to, newest first:
//
//   node examples/deliveries.js --state dead

import { run } from './cli.js';
import { showDelivery } from './messages.js';

const options = {
  channel: { type: 'string' }, // only those of this channel, by its tag
  state: { type: 'string', default: 'unspecified' }, // only queued, sent or dead
};

const STATES = ['unspecified', 'queued', 'sent', 'dead'];

await run('notify', '127.0.0.1:50065', '', options, async (notify, { channel, state }) => {
  if (!STATES.includes(state)) throw new Error(`there is no state "${state}"`);
  const request = { channel, state: `STATE_${state.toUpperCase()}` };
  do {
    const { deliveries, nextPageToken } = await notify.listDeliveries(request);
    deliveries.forEach(showDelivery);
    request.pageToken = nextPageToken;
  } while (request.pageToken);
});
