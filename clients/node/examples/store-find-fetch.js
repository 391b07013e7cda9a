// Stores a folder's DICOM files, finds them again, fetches a study back and compares its digests,
// and mints an identity for its patient.
//
//   node examples/store-find-fetch.js FOLDER [--archive HOST:PORT] [--index ...] [--guid ...]
//
// Leaves with 0 when all went well, with 1 when a file was refused or anything failed.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { connect, download, upload } from '../lib/index.js';
import { filesIn, tell } from './cli.js';

/** Stores the files; returns the studies they belong to, each with its instances' source files. */
async function store(archive, paths) {
  const studies = new Map();
  const refusals = [];
  for await (const { path, result, error } of upload(archive, paths)) {
    if (error) {
      refusals.push(error);
      continue;
    }
    const { studyUid, sopInstanceUid } = result.instance;
    const instances = studies.get(studyUid) ?? studies.set(studyUid, new Map()).get(studyUid);
    instances.set(sopInstanceUid, [...(instances.get(sopInstanceUid) ?? []), path]);
  }
  console.log(`stored ${paths.length - refusals.length} of ${paths.length} files in ${studies.size} studies`);
  for (const reason of new Set(refusals.map((error) => error.reason))) {
    const alike = refusals.filter((error) => error.reason === reason);
    console.error(`refused ${alike.length}: ${reason}: ${alike[0].remedy}`);
  }
  if (refusals.length > 0) process.exitCode = 1;
  return studies;
}

/** The record of a study, once the index has reached a position. */
async function find(index, studyUid, position) {
  const { records } = await index.find({
    level: 'QUERY_LEVEL_STUDY',
    matches: [{ attribute: 'StudyInstanceUID', values: [studyUid] }],
    atLeastPosition: position,
  });
  if (records.length !== 1) throw new Error(`study ${studyUid}: found ${records.length} records, not one`);
  return records[0];
}

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Fetches a study and compares each instance, byte for byte, with the file it came from. */
async function compare(archive, studyUid, sources) {
  const missing = new Set(sources.keys());
  let uid;
  let hash;
  for await (const { instance, data, finish } of download(archive, { studyUid })) {
    if (instance) {
      uid = instance.sopInstanceUid;
      hash = createHash('sha256');
    }
    hash.update(data);
    if (!finish) continue;
    const expected = await Promise.all((sources.get(uid) ?? []).map(sha256));
    const same = expected.length === 0 || expected.includes(hash.digest('hex'));
    if (!same) throw new Error(`instance ${uid} differs from its source`);
    missing.delete(uid);
  }
  if (missing.size > 0) throw new Error(`study ${studyUid}: ${missing.size} instances did not come back`);
}

async function run({ archive, index, guid }, folder) {
  const studies = await store(archive, await filesIn([folder]));
  if (studies.size === 0) throw new Error('there is nothing to find: no file was stored');
  // The newest position covers files that were there before this run too.
  const { headPosition } = await archive.getStatistics();
  const records = [];
  for (const studyUid of studies.keys()) records.push(await find(index, studyUid, headPosition));
  console.log(`found ${records.length} studies in the index`);

  const [[studyUid, sources]] = [...studies].sort(([, one], [, other]) => other.size - one.size);
  await compare(archive, studyUid, sources);
  console.log(`fetched study ${studyUid}: ${sources.size} instances, SHA-256 equal to the source`);

  const { patientId } = records.find((record) => record.patientId) ?? {};
  if (!patientId) return;
  const { identity } = await guid.mintIdentity({ subject: { patientId } });
  console.log(`minted identity ${identity.id}, ${identity.name}`);
}

async function main() {
  const address = (port) => ({ type: 'string', default: `127.0.0.1:${port}` });
  const options = { archive: address(50061), index: address(50062), guid: address(50063) };
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  if (positionals.length !== 1) throw new Error('name one folder of DICOM files');
  const services = Object.entries(values).map(([name, target]) => [name, connect(name, target)]);
  try {
    await run(Object.fromEntries(services), positionals[0]);
  } finally {
    for (const [, client] of services) client.close();
  }
}

try {
  await main();
} catch (error) {
  tell(error);
}
