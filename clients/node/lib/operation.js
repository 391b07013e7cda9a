import { MeshError } from './mesh.js';

/**
 * Waits until an operation has ended well, and returns it; one that failed or was cancelled is
 * thrown. Operations are served by the service that started them.
 *
 * @param {object} operations a client of that service's operations
 * @param {string} name the operation
 * @param {(operation: object) => void} [onProgress] is shown the operation about twice a second
 */
export async function wait(operations, name, onProgress) {
  const timeout = onProgress ? { nanos: 500_000_000 } : { seconds: 10 };
  for (;;) {
    const { operation } = await operations.waitOperation({ name, timeout });
    onProgress?.(operation);
    if (operation.state === 'STATE_SUCCEEDED') return operation;
    if (operation.state === 'STATE_FAILED') throw MeshError.ofStatus(operation.error);
    if (operation.state === 'STATE_CANCELLED') throw new Error(`${name} was cancelled`);
  }
}
