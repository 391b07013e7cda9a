// Queues a message for every subscriber of a channel:
//
//   node examples/dispatch.js --subject Ready --body 'Dear {{ recipient.name }}' CHANNEL

import { randomUUID } from 'node:crypto';
import { run } from './cli.js';
import { CONTENT, content, showDelivery } from './messages.js';

await run('notify', '127.0.0.1:50065', 'CHANNEL', CONTENT, async (notify, values, [channel]) => {
  const { deliveries } = await notify.dispatchMessage({ requestId: randomUUID(), channel, content: content(values) });
  deliveries.forEach(showDelivery);
});
