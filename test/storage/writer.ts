/** A process in the midst of putting an object: its temporary is there, its end never comes. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeProcessFolder } from '../../src/lib/process-folder.js';

const folder = await makeProcessFolder(process.argv[2] ?? '');
await writeFile(path.join(folder, 'object'), 'half');
console.log('begun');
setInterval(() => undefined, 1000);
