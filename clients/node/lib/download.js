import { join } from 'node:path';
import { NewFile } from './files.js';
import { answers } from './mesh.js';

// PS3.5 section 9.1, as lenient as the archive is; ".." is a folder, though.
const UID = /^(?=.*[0-9])[0-9.]{1,64}$/;

/**
 * Fetches instances: yields `{ instance, data, finish }`, the pieces of one file after the other.
 * `instance` is set on the first piece of each, `finish` on its last.
 *
 * @param {object} archive a client of the archive
 * @param {object} selector which: `{ studyUid, seriesUid, sopInstanceUids }`
 * @param {string} [store] where from; "default" unless given
 */
export async function* download(archive, selector, store = '') {
  for await (const { chunks } of answers(archive.downloadInstances({ store, selector }))) yield* chunks;
}

/**
 * Fetches instances into files STUDY/SERIES/SOP-INSTANCE.dcm under a folder: yields
 * `{ path, instance }` for each once it is there. A file is there whole or not at all; one of the
 * same name is replaced.
 */
export async function* downloadTo(folder, archive, selector, store = '') {
  let file;
  let instance;
  try {
    for await (const chunk of download(archive, selector, store)) {
      if (chunk.instance) {
        await file?.drop();
        instance = chunk.instance;
        file = await NewFile.create(pathOf(folder, instance));
      }
      if (!file) throw new Error('the archive sent data that belongs to no instance');
      await file.write(chunk.data);
      if (!chunk.finish) continue;
      if (file.size !== instance.sizeBytes) throw new Error(`instance ${instance.sopInstanceUid} did not come whole`);
      await file.commit();
      const { path } = file;
      file = undefined;
      yield { path, instance };
    }
    if (file) throw new Error('the archive ended the download within an instance');
  } finally {
    await file?.drop();
  }
}

function pathOf(folder, { studyUid, seriesUid, sopInstanceUid }) {
  const uids = [studyUid, seriesUid, sopInstanceUid];
  if (!uids.every((uid) => UID.test(uid))) {
    throw new Error('the archive named an instance by something that is no UID');
  }
  return `${join(folder, ...uids)}.dcm`;
}
