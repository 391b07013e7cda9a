// Asks the index for records at a level, page by page:
//
//   node examples/find.js --level series 'Modality=C*' StudyDate=20260101-
//
// It prints the record's UID and how many instances it stands for.

import { cut, run, show } from './cli.js';

const options = {
  store: { type: 'string' },
  'at-least': { type: 'string' }, // wait until the index knows this position
  level: { type: 'string', default: 'study' }, // patient, study, series or instance
};

await run('index', '127.0.0.1:50062', '[ATTRIBUTE=VALUE...]', options, async (index, values, args) => {
  const request = {
    store: values.store,
    level: `QUERY_LEVEL_${values.level.toUpperCase()}`,
    matches: args.map(cut).map(([attribute, value]) => ({ attribute, values: [value] })),
    atLeastPosition: values['at-least'],
  };
  do {
    const { records, nextPageToken } = await index.find(request);
    for (const { patientId, studyUid, seriesUid, sopInstanceUid, instanceCount } of records) {
      show(sopInstanceUid || seriesUid || studyUid || patientId, instanceCount);
    }
    request.pageToken = nextPageToken;
  } while (request.pageToken);
});
