import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { NewFile } from './files.js';
import { answers } from './mesh.js';

const MESSAGE_BYTES = 1 << 20;

/**
 * De-identifies one DICOM file into another, which is there whole or not at all; returns what it has
 * become. Nothing is kept by the service.
 *
 * @param {object} anon a client of the anon service
 * @param {string} from the file to read
 * @param {string} to the file to write
 * @param {string} [profile] how; "default" unless given
 */
export async function anonymizeFile(anon, from, to, profile = '') {
  const call = anon.anonymizeInstance();
  // A file that cannot be read ends the call with its error, which the loop below then throws.
  const sent = pipeline(messages(from, profile), call).catch((error) => call.destroy(error));
  const file = await NewFile.create(to);
  try {
    let instance;
    for await (const answer of answers(call)) {
      instance = answer.instance ?? instance;
      await file.write(answer.data ?? Buffer.alloc(0));
    }
    await sent;
    if (file.size !== instance?.sizeBytes) throw new Error('the answer is not the whole file');
    await file.commit();
    return instance;
  } finally {
    await file.drop();
  }
}

/** The first message names the profile; all carry data. */
async function* messages(path, profile) {
  yield { profile };
  for await (const data of createReadStream(path, { highWaterMark: MESSAGE_BYTES })) yield { data };
}
