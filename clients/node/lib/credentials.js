// Whom to trust and who to be, from files.

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import grpc from '@grpc/grpc-js';

/** The credentials of a channel: TLS with or without a token, or plain text. */
export function credentials(tls, tokenFile) {
  if (tls === undefined && tokenFile !== undefined) throw new Error('a token is sent over TLS only: give tls too');
  if (tls === undefined) return grpc.credentials.createInsecure();
  const [ca, key, cert] = [tls.caFile, tls.keyFile, tls.certFile].map((file) => (file ? readFileSync(file) : null));
  const channel = grpc.credentials.createSsl(ca, key, cert);
  return tokenFile ? grpc.credentials.combineChannelCredentials(channel, bearer(tokenFile)) : channel;
}

/** Puts `authorization: Bearer TOKEN` on each call. */
function bearer(tokenFile) {
  return grpc.credentials.createFromMetadataGenerator(async (_, callback) => {
    try {
      const metadata = new grpc.Metadata();
      metadata.set('authorization', `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`);
      callback(null, metadata);
    } catch (error) {
      callback(error);
    }
  });
}
