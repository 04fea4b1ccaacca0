/**
 * Lua scripts whose argument is one object and whose reply is one object, both as JSON.
 */
import { defineScript, type CommandParser } from 'redis';

/** @param source Lua that reads ARGV[1] and returns a string. */
export const jsonScript = (source: string) =>
  defineScript({
    SCRIPT: source,
    NUMBER_OF_KEYS: 0,
    parseCommand(parser: CommandParser, args: object) {
      parser.push(JSON.stringify(args, wellFormed));
    },
    transformReply: (reply: unknown): unknown => JSON.parse(reply as string),
  });

/** The JSON parser of Redis refuses half of a surrogate pair, which cutting a text can leave. */
const wellFormed = (_: string, value: unknown): unknown =>
  typeof value === 'string' ? value.toWellFormed() : value;
