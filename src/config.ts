/**
 * The environment: every variable of the product, its values and meaning, read here and nowhere
 * else. An empty value counts as unset; a wrong one stops the start. The commands read only what the
 * engine needs: DEBUG, HOST and their like mean other things to other programs.
 */
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { OxboardError } from './errors.js';
import { DEVICE_PATTERN } from './options.js';

/** A variable, with the words that an error uses for the values it may have. */
const variable = <T extends z.ZodType>(schema: T, words: string, { secret = false } = {}) =>
  schema.optional().meta({ description: words, secret });

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];
const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum([...TRUE, ...FALSE]))
  .transform((value) => TRUE.includes(value));
const integer = (minimum: number, maximum: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(minimum).max(maximum));

const port = variable(integer(1, 65_535), 'port number from 1 to 65535');
const seconds = (words: string) =>
  variable(integer(1, 10 * 365 * 86_400), `${words}, an integer of at least 1`);

/** A JSON list of strings, or strings between commas. */
const list = z.string().transform((text, context) => {
  if (!text.trimStart().startsWith('[')) return text.split(',').map((item) => item.trim());
  try {
    return z.array(z.string()).parse(JSON.parse(text));
  } catch {
    context.addIssue('not a list');
    return z.NEVER;
  }
});

/** What a header can hold. */
const apiKey = z.string().regex(/^[\x21-\x7e]{1,512}$/);

const S3_URL = /^s3:\/\/[A-Za-z0-9][\w.-]{1,61}[A-Za-z0-9](\/[\w-][\w.-]*)*\/?$/;
const endpoint = variable(z.url({ protocol: /^https?$/ }), 'URL such as https://minio.example.org');

/** A host as it stands in a URL, with its port when that is not the usual one. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[1-9]\d{0,4})?$/;
const host = z.string().toLowerCase().regex(HOST);
const YOUTUBE_HOSTS = [
  'youtube.com',
  'www.youtube.com',
  'm.youtube.com',
  'music.youtube.com',
  'youtu.be',
];

const origin = z.union([
  z.literal('*'),
  z.url({ protocol: /^https?$/ }).refine((text) => new URL(text).origin === text),
]);
/** Networks that Express knows by name. */
const NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];
const isProxy = (text: string): boolean => {
  const [address = '', bits = '1', ...more] = text.split('/');
  const most = { 4: 32, 6: 128 }[isIP(address)];
  if (most === undefined) return NETWORKS.includes(text);
  return more.length === 0 && /^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most;
};
/** What Express takes for `trust proxy`: how many proxies, or their addresses. */
const proxies = z
  .string()
  .toLowerCase()
  .refine(
    (text) =>
      /^(true|false|\d+)$/.test(text) || text.split(',').every((one) => isProxy(one.trim())),
  )
  .transform((text) => (/^\d+$/.test(text) ? Number(text) : text))
  .transform((value) => ({ true: true, false: false })[String(value)] ?? value);

const engineVariables = z.object({
  DEMUCS_MODELS_PATH: variable(z.string(), 'folder of model archives'),
  DEMUCS_DEFAULT_MODEL: variable(z.string(), 'name of an installed model'),
  DEMUCS_DEVICE: variable(z.string().regex(DEVICE_PATTERN), 'auto, cpu, cuda or cuda:N'),
  DEMUCS_GPU_ENABLED: variable(flag, 'true or false'),
  DEMUCS_TF32: variable(flag, 'true or false'),
  DEMUCS_THREADS: variable(integer(1, 1024), 'integer from 1 to 1024'),
  HF_TOKEN: variable(z.string(), 'access token of Hugging Face'),
});

const serviceVariables = engineVariables.extend({
  ENVIRONMENT: variable(z.enum(['development', 'production']), 'development or production'),
  LOG_LEVEL: variable(
    z
      .string()
      .toLowerCase()
      .pipe(z.enum(['error', 'warn', 'info', 'debug'])),
    'error, warn, info or debug',
  ),
  DEBUG: variable(flag, 'true or false'),
  HOST: variable(z.string(), 'address or name to listen on'),
  PORT: port,

  DEMUCS_MAX_FILE_SIZE: variable(integer(1, 2 ** 40), 'number of bytes, an integer of at least 1'),
  DEMUCS_MAX_DURATION: seconds('seconds of audio'),
  DEMUCS_AUTO_PULL: variable(flag, 'true or false'),

  DATA_DIR: variable(z.string(), 'folder for what the service keeps'),
  STORAGE_URL: variable(
    z.union([z.url({ protocol: /^file$/ }), z.string().regex(S3_URL)]),
    'URL such as file:///var/lib/oxboard or s3://bucket/prefix',
  ),
  STORAGE_DOWNLOADS: variable(z.enum(['proxy', 'redirect']), 'proxy or redirect'),
  AWS_ENDPOINT_URL: endpoint,
  AWS_ENDPOINT_URL_S3: endpoint,
  AWS_REGION: variable(z.string().regex(/^[\w-]+$/), 'region such as eu-central-1'),
  REDIS_URL: variable(
    z.union([z.url({ protocol: /^rediss?$/ }), z.string().regex(/^unix:\/\/\//)]),
    'URL such as redis://localhost:6379 or unix:///run/redis.sock',
  ),
  REDIS_DB: variable(integer(0, 65_535), 'number of a Redis database'),

  API_RATE_LIMIT: variable(integer(1, 1_000_000_000), 'number of jobs, an integer of at least 1'),
  API_RATE_LIMIT_PERIOD: seconds('seconds'),
  API_CORS_ORIGINS: variable(
    list.pipe(z.array(origin)),
    'origins such as ["https://example.org"], or *',
  ),
  API_KEYS: variable(
    list.pipe(z.array(apiKey).min(1)),
    'list of API keys such as ["key-of-one","key-of-another"], each of up to 512 ASCII characters ' +
      'without spaces,',
    { secret: true },
  ),
  API_TOKEN_TTL: variable(
    integer(60, 365 * 86_400),
    'seconds, an integer from 60 to 31536000 (a year),',
  ),
  WEBHOOK_SECRET: variable(
    z
      .string()
      .regex(/^(?!whsec_)|^whsec_([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
    'text that only receivers of webhooks know, or whsec_ with base64 after it,',
    { secret: true },
  ),
  WEBHOOK_ALLOW_PRIVATE: variable(flag, 'true or false'),
  TRUST_PROXY: variable(proxies, 'true, false, a number of proxies, or their addresses'),
  YOUTUBE_ALLOWED_HOSTS: variable(
    list.pipe(z.array(host).min(1)),
    'hosts such as ["www.youtube.com","youtu.be"]',
  ),
  YOUTUBE_DOWNLOAD_DIR: variable(z.string(), 'folder for downloads that are not finished'),
  YOUTUBE_MAX_DURATION: seconds('seconds of audio'),
  YT_DLP_PATH: variable(z.string(), 'path of yt-dlp'),
  WORKER_CONCURRENCY: variable(integer(1, 64), 'integer from 1 to 64'),
  JOB_TTL: seconds('seconds'),

  OBSERVABILITY_PROMETHEUS_PORT: port,
  METRICS_PORT: port,
  OBSERVABILITY_ENABLE_TRACING: variable(flag, 'true or false'),
});

const collector = z.url({ protocol: /^https?$/ });
const COLLECTOR = 'URL of an OpenTelemetry collector such as http://localhost:4318';
const otlp = z.enum(['http/protobuf', 'http/json']);
const OTLP = 'http/protobuf or http/json';

/**
 * Those standard variables of OpenTelemetry that decide what is loaded; its SDK reads the others. They
 * may mean other programs, and are looked at only when tracing is on.
 */
const tracingVariables = z.object({
  OTEL_SDK_DISABLED: variable(flag, 'true or false'),
  OTEL_TRACES_EXPORTER: variable(z.enum(['otlp', 'none']), 'otlp or none'),
  OTEL_EXPORTER_OTLP_ENDPOINT: variable(collector, COLLECTOR),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: variable(collector, COLLECTOR),
  OTEL_EXPORTER_OTLP_PROTOCOL: variable(otlp, OTLP),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: variable(otlp, OTLP),
});

/** What the engine needs of the environment. */
export interface Config {
  modelsDir: string | undefined;
  defaultModel: string | undefined;
  device: string | undefined;
  threads: number | undefined;
  /** Whether GPUs may compute with reduced precision. */
  tf32: boolean;
  /** For repositories of Hugging Face that ask for one. */
  hubToken: string | undefined;
}

/** What `serve`, `api` and `worker` need. */
export interface ServiceConfig extends Config {
  /** Decides how logs look: for people in development, JSON lines in production. */
  environment: 'development' | 'production';
  logLevel: 'error' | 'warn' | 'info' | 'debug';
  host: string;
  port: number;

  /** Bytes of an upload. */
  maxFileSize: number;
  /** Seconds of audio in a job. */
  maxDuration: number;
  /** Whether the default model is pulled at the start when it is not installed. */
  autoPull: boolean;

  /** Absolute. What the service keeps for itself: spools, the private Redis, files by default. */
  dataDir: string;
  /** Undefined: a folder in `dataDir`. */
  storageUrl: string | undefined;
  /** Whether stems come through the API, or from an `s3:` storage itself. */
  storageDownloads: 'proxy' | 'redirect';
  /** Of an `s3:` storage that is not Amazon's. */
  s3Endpoint: string | undefined;
  /** Undefined: what the AWS SDK finds. */
  s3Region: string | undefined;
  /** Undefined: `serve` runs a private one. */
  redisUrl: string | undefined;
  redisDb: number;

  /** Jobs that one client may post in `rateLimitPeriod` seconds. */
  rateLimit: number;
  rateLimitPeriod: number;
  corsOrigins: string[];
  /** Each is a tenant of its own. Empty: whoever reaches the service is the one tenant. */
  apiKeys: string[];
  /** Seconds that URLs in the document of a job are valid at most, when there are keys. */
  tokenTtl: number;
  trustProxy: boolean | number | string;
  /** Jobs that one worker runs at a time; their segments take turns on the device. */
  workerConcurrency: number;

  /** Hosts of links to videos, with a port when that is not the usual one. */
  youtubeHosts: string[];
  /** Absolute. Where songs behind links lie until they are whole. */
  youtubeDownloadDir: string;
  /** Seconds of audio behind a link; {@link ServiceConfig.maxDuration} holds as well. */
  youtubeMaxDuration: number;
  /** Undefined: that of yt-dlp-exec, then the one on the PATH. */
  ytDlpPath: string | undefined;
  /** Seconds that a job and its files are kept after it ended. */
  jobTtl: number;

  /** Signs what is told to callback URLs; undefined: nothing is. */
  webhookSecret: string | undefined;
  /** Whether callback URLs may lead to private addresses, and to ports other than 80 and 443. */
  webhookAllowPrivate: boolean;

  /** Where `serve` and `api` tell their metrics. */
  metricsPort: number;
  /** Where a separate worker tells its metrics; undefined: nowhere. */
  workerMetricsPort: number | undefined;
  /**
   * Undefined: no traces. `protocol`: in which they go to a collector; undefined when there is none, and
   * only the log has their ids.
   */
  tracing: { protocol: 'http/protobuf' | 'http/json' | undefined } | undefined;
}

/** @throws OxboardError INVALID_ENVIRONMENT */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  return engineConfig(readVariables(engineVariables, variables));
}

/** @throws OxboardError INVALID_ENVIRONMENT */
export function readServiceConfig(variables: NodeJS.ProcessEnv): ServiceConfig {
  const data = readVariables(serviceVariables, variables);
  const dataDir = resolve(data.DATA_DIR ?? 'data');
  const { ENVIRONMENT: mode = process.stdout.isTTY ? 'development' : 'production' } = data;
  const { STORAGE_DOWNLOADS: downloads = 'proxy' } = data;
  if (downloads === 'redirect' && !data.STORAGE_URL?.startsWith('s3:')) {
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      'STORAGE_DOWNLOADS=redirect needs an s3: URL in STORAGE_URL: nobody else can be sent to a folder',
    );
  }
  return {
    environment: mode,
    logLevel: data.LOG_LEVEL ?? (data.DEBUG ? 'debug' : 'info'),
    host: data.HOST ?? '0.0.0.0',
    port: data.PORT ?? 8000,

    ...engineConfig(data),
    maxFileSize: data.DEMUCS_MAX_FILE_SIZE ?? 52_428_800,
    maxDuration: data.DEMUCS_MAX_DURATION ?? 600,
    autoPull: data.DEMUCS_AUTO_PULL ?? false,

    dataDir,
    storageUrl: data.STORAGE_URL,
    storageDownloads: downloads,
    s3Endpoint: data.AWS_ENDPOINT_URL_S3 ?? data.AWS_ENDPOINT_URL,
    s3Region: data.AWS_REGION,
    redisUrl: data.REDIS_URL,
    redisDb: data.REDIS_DB ?? 0,

    rateLimit: data.API_RATE_LIMIT ?? 5,
    rateLimitPeriod: data.API_RATE_LIMIT_PERIOD ?? 3600,
    corsOrigins: data.API_CORS_ORIGINS ?? [],
    apiKeys: [...new Set(data.API_KEYS)],
    tokenTtl: data.API_TOKEN_TTL ?? 21_600,
    trustProxy: data.TRUST_PROXY ?? false,
    workerConcurrency: data.WORKER_CONCURRENCY ?? 2,

    youtubeHosts: data.YOUTUBE_ALLOWED_HOSTS ?? YOUTUBE_HOSTS,
    youtubeDownloadDir: resolve(data.YOUTUBE_DOWNLOAD_DIR ?? join(dataDir, 'downloads')),
    youtubeMaxDuration: data.YOUTUBE_MAX_DURATION ?? 600,
    ytDlpPath: data.YT_DLP_PATH,
    jobTtl: data.JOB_TTL ?? 86_400,

    webhookSecret: data.WEBHOOK_SECRET,
    webhookAllowPrivate: data.WEBHOOK_ALLOW_PRIVATE ?? false,

    metricsPort: data.OBSERVABILITY_PROMETHEUS_PORT ?? 9090,
    workerMetricsPort: data.METRICS_PORT,
    tracing: data.OBSERVABILITY_ENABLE_TRACING ? tracingConfig(variables) : undefined,
  };
}

function tracingConfig(variables: NodeJS.ProcessEnv): ServiceConfig['tracing'] {
  const data = readVariables(tracingVariables, variables);
  if (data.OTEL_SDK_DISABLED) return undefined;
  const place = data.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? data.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (place === undefined || data.OTEL_TRACES_EXPORTER === 'none') return { protocol: undefined };
  const { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: own, OTEL_EXPORTER_OTLP_PROTOCOL: all } = data;
  return { protocol: own ?? all ?? 'http/protobuf' };
}

function engineConfig(data: z.output<typeof engineVariables>): Config {
  return {
    modelsDir: data.DEMUCS_MODELS_PATH,
    defaultModel: data.DEMUCS_DEFAULT_MODEL,
    device: data.DEMUCS_GPU_ENABLED === false ? 'cpu' : data.DEMUCS_DEVICE,
    threads: data.DEMUCS_THREADS,
    tf32: data.DEMUCS_TF32 ?? false,
    hubToken: data.HF_TOKEN,
  };
}

function readVariables<T extends z.ZodObject>(
  schema: T,
  variables: NodeJS.ProcessEnv,
): z.output<T> {
  const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const result = schema.safeParse(set);
  if (result.success) return result.data;
  const name = String(result.error.issues[0]?.path[0]);
  const { description = 'another value', secret } =
    (schema.shape[name] as z.ZodType | undefined)?.meta() ?? {};
  // Nor what may be a user and a password in a URL.
  const value = (set[name] ?? '').replace(/\/[^/]*@/, '/[redacted]@');
  throw new OxboardError(
    'INVALID_ENVIRONMENT',
    `Expected ${description} for the environment variable ${name} but received ` +
      (secret === true ? 'something else (a secret, not shown here)' : `"${value}"`),
  );
}
