import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A file that appears whole under its name, or not at all. */
export class NewFile {
  #handle;
  #part;

  /** Opens a file for writing; folders are made as needed. */
  static async create(path) {
    const file = new NewFile();
    await mkdir(dirname(path), { recursive: true });
    file.path = path;
    file.size = 0;
    file.#part = join(dirname(path), `.part-${randomUUID()}`);
    file.#handle = await open(file.#part, 'wx');
    return file;
  }

  async write(data) {
    await this.#handle.writeFile(data);
    this.size += data.length;
  }

  /** Gives the file its name, in place of one that had it. */
  async commit() {
    await this.#handle.close();
    await rename(this.#part, this.path);
  }

  /** Removes what was not committed. */
  async drop() {
    await this.#handle.close();
    await rm(this.#part, { force: true });
  }
}
