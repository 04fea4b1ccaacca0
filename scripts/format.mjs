import { format } from './checks.mjs';

process.exitCode = format();
