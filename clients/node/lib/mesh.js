// DIANA mesh from Node: the contracts in protos/, loaded as they are. No code is generated.
//
// A client has a method for each RPC, named as in the contract with a small first letter. One that
// answers once returns a promise; one that streams returns @grpc/grpc-js's stream, which is a Node
// stream: write to it, and read it with `answers`. Failures are MeshErrors.

import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { credentials } from './credentials.js';

const PROTOS = fileURLToPath(new URL('../../../protos', import.meta.url));
// int64 becomes a number: sizes and counts stay far below 2^53. Enums are their names, an absent
// field has its default value.
const OPTIONS = { defaults: true, enums: String, longs: Number, oneofs: true, includeDirs: [PROTOS] };
const SERVICES = {
  archive: ['diana/archive/v1/archive_service.proto', 'diana.archive.v1.ArchiveService'],
  index: ['diana/index/v1/index_service.proto', 'diana.index.v1.IndexService'],
  guid: ['diana/guid/v1/guid_service.proto', 'diana.guid.v1.GuidService'],
  anon: ['diana/anon/v1/anon_service.proto', 'diana.anon.v1.AnonService'],
  notify: ['diana/notify/v1/notify_service.proto', 'diana.notify.v1.NotifyService'],
  dimse: ['diana/dimse/v1/dimse_service.proto', 'diana.dimse.v1.DimseService'],
  route: ['diana/route/v1/route_service.proto', 'diana.route.v1.RouteService'],
  // Served by every service that starts operations, at its own address.
  operation: ['diana/operation/v1/operation_service.proto', 'diana.operation.v1.OperationService'],
};
const FILES = Object.values(SERVICES).map(([file]) => file);
const CONTRACTS = loader.loadSync([...FILES, 'google/rpc/error_details.proto', 'google/rpc/status.proto'], OPTIONS);

// Every RPC of the mesh may be repeated; an upload stream, though, is resumed by `upload`.
const RETRY = {
  maxAttempts: 5,
  initialBackoff: '0.2s',
  maxBackoff: '3s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
};

/** A refusal or a failure. Programs branch on `reason`, or on `code` where there is none. */
export class MeshError extends Error {
  /** `details` has the fields of the ErrorInfo and the BadRequest that came with it. */
  constructor(code, message, details = {}) {
    super(message);
    this.name = 'MeshError';
    /** The canonical status code: "NOT_FOUND". */
    this.code = code;
    /** A diana.type.v1.ErrorReason without its prefix; empty when the peer gave none. */
    this.reason = details.reason ?? '';
    /** What the caller can do about it, in a sentence. */
    this.remedy = details.metadata?.remedy ?? '';
    /** Leads to an INTERNAL error's entry in the server's log. */
    this.errorId = details.metadata?.error_id ?? '';
    /** The request's bad fields: [{ field, description }]. */
    this.fields = details.fieldViolations ?? [];
  }

  /** Reason, message, bad fields and remedy in one line. */
  toString() {
    const fields = this.fields.map(({ field, description }) => `[${field}: ${description}]`);
    return [`${this.reason || this.code}: ${this.message}`, ...fields, this.remedy].join(' ').trim();
  }

  /** The error of a google.rpc.Status, as batches, uploads and operations carry. */
  static ofStatus({ code, message, details }) {
    return new MeshError(grpc.status[code], message, Object.assign({}, ...details.map(unpack)));
  }

  /** The error of a call that failed. */
  static ofCall(error) {
    const [status] = error.metadata?.get('grpc-status-details-bin') ?? [];
    if (status) return MeshError.ofStatus(CONTRACTS['google.rpc.Status'].deserialize(status));
    return error.code in grpc.status ? new MeshError(grpc.status[error.code], error.details) : error;
  }
}

/** The message in a google.protobuf.Any, such as an operation's result; {} for one of an unknown type. */
export function unpack({ type_url: url, value }) {
  return CONTRACTS[url.slice(url.lastIndexOf('/') + 1)]?.deserialize(value) ?? {};
}

/**
 * A client of one service.
 *
 * @param {'archive' | 'index' | 'guid' | 'anon' | 'notify' | 'dimse' | 'route' | 'operation'} service which one
 * @param {string} address host:port
 * @param {object} [options]
 * @param {object} [options.tls] `caFile`, `certFile` and `keyFile` (PEM), `serverName`: plain text unless given
 * @param {string} [options.tokenFile] a bearer token, read for each call; goes over TLS only
 * @param {number} [options.timeout] the milliseconds that a call which answers once may take
 */
export function connect(service, address, { tls, tokenFile, timeout = 30_000 } = {}) {
  const name = SERVICES[service][1];
  const Client = grpc.makeGenericClientConstructor(CONTRACTS[name], name);
  const client = new Client(address, credentials(tls, tokenFile), channelOptions(name, tls));
  const methods = { close: () => client.close() };
  for (const { originalName, requestStream, responseStream } of Object.values(CONTRACTS[name])) {
    const method = client[originalName].bind(client);
    methods[originalName] = requestStream || responseStream ? method : once(method, timeout);
  }
  return methods;
}

function channelOptions(name, tls) {
  return {
    'grpc.service_config': serviceConfig(name),
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 3_000,
    ...(tls?.serverName && { 'grpc.ssl_target_name_override': tls.serverName }),
  };
}

function serviceConfig(name) {
  const uploads = { name: [{ service: 'diana.archive.v1.ArchiveService', method: 'UploadInstances' }] };
  return JSON.stringify({ methodConfig: [uploads, { name: [{ service: name }], retryPolicy: RETRY }] });
}

/** A call that answers once, as a promise. */
function once(method, timeout) {
  return (request = {}) =>
    new Promise((resolve, reject) => {
      method(request, { deadline: Date.now() + timeout }, (error, answer) =>
        error ? reject(MeshError.ofCall(error)) : resolve(answer),
      );
    });
}

/** The messages of a stream, one after the other; leaving the loop early cancels the call. */
export async function* answers(call) {
  try {
    yield* call;
  } catch (error) {
    throw MeshError.ofCall(error);
  } finally {
    call.cancel();
  }
}
