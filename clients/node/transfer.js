// Moving whole files in and out of the archive, with bounded memory.

import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { MeshError, answers } from './mesh.js';

// The size of message that the contract asks for.
const MESSAGE_BYTES = 1 << 20;

/**
 * Store DICOM files: yields `{ path, result }` for each as soon as it is durable, or
 * `{ path, error }`, a MeshError, when it is refused. Sending the same files again is harmless.
 *
 * @param {object} archive a client of the archive
 * @param {string[]} paths the files, of any size
 * @param {string} [store] where to; "default" unless given
 */
export async function* upload(archive, paths, store = '') {
  const call = archive.uploadInstances();
  // A file that cannot be read ends the call with its error, which the loop below then throws.
  const sent = pipeline(messages(paths, store), call).catch((error) => call.destroy(error));
  for await (const { results } of answers(call)) {
    for (const result of results) {
      const path = paths[result.tag];
      yield result.status ? { path, error: MeshError.ofStatus(result.status) } : { path, result };
    }
  }
  await sent;
}

/** Chunks of instances in messages of about 1 MiB: one of a large file, or many small files whole. */
async function* messages(paths, store) {
  let chunks = [];
  let size = 0;
  for await (const chunk of pieces(paths)) {
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
async function* pieces(paths) {
  for (const [tag, path] of paths.entries()) {
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

/**
 * Fetch instances: yields `{ instance, data, finish }`, the pieces of one file after the other.
 * `instance` is set on the first piece of each, `finish` on its last.
 *
 * @param {object} archive a client of the archive
 * @param {object} selector which: `{ studyUid, seriesUid, sopInstanceUids }`
 * @param {string} [store] where from; "default" unless given
 */
export async function* download(archive, selector, store = '') {
  for await (const { chunks } of answers(archive.downloadInstances({ store, selector }))) yield* chunks;
}
