export { MeshError, answers, connect, unpack } from './mesh.js';
export { anonymizeFile } from './anonymize.js';
export { download, downloadTo } from './download.js';
export { follow } from './feed.js';
export { wait } from './operation.js';
export { upload } from './upload.js';
