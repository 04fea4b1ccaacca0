import { format } from './checks.mjs';

process.exitCode = await format();
