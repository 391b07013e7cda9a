import { answers } from './mesh.js';
import { Patience } from './patience.js';

/**
 * The messages of the archive's change feed, from the request's position on. A stream that breaks is
 * resumed where it was; entries may come twice. Ends where the request stops at the head.
 *
 * @param {object} archive a client of the archive
 * @param {object} [request] a WatchFeedRequest: `{ stores, afterPosition, stopAtHead, omitHeaders }`
 */
export async function* follow(archive, request = {}) {
  const patience = new Patience();
  let { afterPosition } = request;
  for (;;) {
    try {
      for await (const message of answers(archive.watchFeed({ ...request, afterPosition }))) {
        patience.renew();
        yield message;
        afterPosition = message.position || afterPosition;
      }
      return;
    } catch (error) {
      await patience.wait(error);
    }
  }
}
