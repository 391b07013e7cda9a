import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { MeshError, answers } from './mesh.js';
import { Patience } from './patience.js';

// The size of message that the contract asks for.
const MESSAGE_BYTES = 1 << 20;

/**
 * Stores DICOM files, many on one stream: yields `{ path, result }` for each as soon as it is
 * durable, or `{ path, error }`, a MeshError, when it is refused. A stream that breaks is resumed
 * with what was not answered. Sending the same files again is harmless.
 *
 * @param {object} archive a client of the archive
 * @param {string[]} paths the files, of any size
 * @param {string} [store] where to; "default" unless given
 */
export async function* upload(archive, paths, store = '') {
  const left = new Map(paths.entries());
  const patience = new Patience();
  while (left.size > 0) {
    const before = left.size;
    try {
      yield* stream(archive, left, store);
    } catch (error) {
      if (left.size < before) patience.renew();
      await patience.wait(error);
    }
  }
}

/** Sends what is left, by tag, on one stream; takes out what is answered. */
async function* stream(archive, left, store) {
  const call = archive.uploadInstances();
  // A file that cannot be read ends the call with its error, which the loop below then throws.
  const sent = pipeline(messages([...left], store), call).catch((error) => call.destroy(error));
  for await (const { results } of answers(call)) {
    for (const result of results) {
      const path = left.get(result.tag);
      if (!left.delete(result.tag)) throw new Error('the archive answered for an instance that it was not sent');
      yield result.status ? { path, error: MeshError.ofStatus(result.status) } : { path, result };
    }
  }
  await sent;
  if (left.size > 0) throw new Error('the archive ended the upload before all was answered');
}

/** Chunks of instances in messages of about 1 MiB: one of a large file, or many small files whole. */
async function* messages(files, store) {
  let chunks = [];
  let size = 0;
  for await (const chunk of pieces(files)) {
    if (size > 0 && size + chunk.data.length > MESSAGE_BYTES) {
      yield { store, chunks };
      chunks = [];
      size = 0;
    }
    chunks.push(chunk);
    size += chunk.data.length;
  }
  yield { store, chunks };
}

/** The files' chunks in order. One is held back until it is known whether it is its file's last. */
async function* pieces(files) {
  for (const [tag, path] of files) {
    let held = Buffer.alloc(0);
    let writeOffset = 0;
    for await (const data of createReadStream(path, { highWaterMark: MESSAGE_BYTES })) {
      if (held.length > 0) yield { tag, writeOffset, data: held };
      writeOffset += held.length;
      held = data;
    }
    yield { tag, writeOffset, data: held, finish: true };
  }
}
