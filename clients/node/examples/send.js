// Queues a message for one recipient:
//
//   node examples/send.js --subject Hello --body 'A study is ready.' email ada@example.org
//
// Transports are email, webhook, file and screen.

import { randomUUID } from 'node:crypto';
import { run } from './cli.js';
import { CONTENT, content, showDelivery } from './messages.js';

await run('notify', '127.0.0.1:50065', 'TRANSPORT ADDRESS', CONTENT, async (notify, values, [transport, address]) => {
  const { delivery } = await notify.sendMessage({
    requestId: randomUUID(), // the message goes out once, however often it is asked for
    recipient: { transport: `TRANSPORT_${transport.toUpperCase()}`, address },
    content: content(values),
  });
  showDelivery(delivery);
});
