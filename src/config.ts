/**
 * Every setting, once: the table below makes the types, the checks, `.env.example` and
 * docs/configuration.md (`npm run generate`). Settings are environment variables. An empty value
 * counts as unset; a wrong one stops the start.
 */
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { OxboardError } from './errors.js';
import { redactUrl } from './lib/redact-url.js';
import { URL_PATH } from './lib/url-path.js';
import { DEVICE_PATTERN } from './options.js';

export interface Setting {
  /** Its name in {@link Config} or {@link ServiceConfig}. */
  key: string;
  /** Parses the text of the variable; its description says what is allowed. */
  schema: z.ZodType;
  /** What it does, in sentences. */
  text: string;
  /** The text that counts when the variable is not set. */
  default?: string;
  /** Shown commented in `.env.example`, instead of the default. */
  example?: string;
  /** Its value is never printed. */
  secret?: boolean;
  /** Another variable with the same meaning, which counts when this one is not set. */
  alias?: string;
}

type Table = Record<string, Setting>;

/** The parsed values of a table, by key. */
type Values<T extends Table> = {
  [V in keyof T as T[V]['key']]:
    z.output<T[V]['schema']> | (T[V] extends { default: string } ? never : undefined);
};

const table = <const T extends Table>(settings: T): T => settings;

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];
const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum([...TRUE, ...FALSE]))
  .transform((value) => TRUE.includes(value))
  .describe('true or false');

/** Without the slash at its end; `/` is empty. */
const basePath = z
  .string()
  .max(200)
  .transform((path) => path.replace(/\/$/, ''))
  .pipe(z.union([z.literal(''), z.string().regex(URL_PATH)]))
  .describe('path such as /stems, of letters, digits and -._~');

const text = (words: string) => z.string().describe(words);
const integer = (minimum: number, maximum: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(minimum).max(maximum));
const port = integer(1, 65_535).describe('port number from 1 to 65535');
const atLeastOne = (words: string, maximum: number) =>
  integer(1, maximum).describe(`${words}, an integer of at least 1`);
const seconds = (words: string) => atLeastOne(words, 10 * 365 * 86_400);
const absolutePath = (words: string) =>
  z
    .string()
    .transform((path) => resolve(path))
    .describe(words);
const httpUrl = (words: string) => z.url({ protocol: /^https?$/ }).describe(words);

/** A JSON list of strings, or strings between commas. */
const list = z.string().transform((items, context) => {
  if (!items.trimStart().startsWith('[')) return items.split(',').map((item) => item.trim());
  try {
    return z.array(z.string()).parse(JSON.parse(items));
  } catch {
    context.addIssue('not a list');
    return z.NEVER;
  }
});

/** What a header can hold. */
const apiKey = z.string().regex(/^[\x21-\x7e]{1,512}$/);

const S3_URL = /^s3:\/\/[A-Za-z0-9][\w.-]{1,61}[A-Za-z0-9](\/[\w-][\w.-]*)*\/?$/;
const WEBHOOK_SECRET =
  /^(?!whsec_)|^whsec_([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A host as it stands in a URL, with its port when that is not the usual one. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[1-9]\d{0,4})?$/;
const host = z.string().toLowerCase().regex(HOST);

const origin = z.union([
  z.literal('*'),
  z.url({ protocol: /^https?$/ }).refine((url) => new URL(url).origin === url),
]);

/** Networks that Express knows by name. */
const NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];
const isProxy = (network: string): boolean => {
  const [address = '', bits = '1', ...more] = network.split('/');
  const most = { 4: 32, 6: 128 }[isIP(address)];
  if (most === undefined) return NETWORKS.includes(network);
  return more.length === 0 && /^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most;
};
/** What Express takes for `trust proxy`: how many proxies, or their addresses. */
const proxies = z
  .string()
  .toLowerCase()
  .refine(
    (value) =>
      /^(true|false|\d+)$/.test(value) || value.split(',').every((one) => isProxy(one.trim())),
  )
  .transform((value) => (/^\d+$/.test(value) ? Number(value) : value))
  .transform((value) => ({ true: true, false: false })[String(value)] ?? value)
  .describe('true, false, a number of proxies, or their addresses');

const ENGINE = table({
  DEMUCS_MODELS_PATH: {
    key: 'modelsDir',
    schema: text('folder of model archives'),
    example: '/models',
    text: 'Folder of model archives. Unset: the folder of the package.',
  },
  DEMUCS_DEFAULT_MODEL: {
    key: 'defaultModel',
    schema: text('name of an installed model'),
    example: 'htdemucs',
    text: 'Model of jobs that name none. Unset: the best installed model.',
  },
  DEMUCS_DEVICE: {
    key: 'device',
    schema: z.string().regex(DEVICE_PATTERN).describe('auto, cpu, cuda or cuda:N'),
    example: 'cuda:0',
    text: 'Device that runs the models: auto, cpu, cuda or cuda:N. Unset: auto.',
  },
  DEMUCS_GPU_ENABLED: {
    key: 'gpuEnabled',
    schema: flag,
    default: 'true',
    text: 'false: never use a GPU, whatever DEMUCS_DEVICE says.',
  },
  DEMUCS_TF32: {
    key: 'tf32',
    schema: flag,
    default: 'false',
    text: "true: GPUs compute with TF32. Faster, but a little further from Python's result.",
  },
  DEMUCS_THREADS: {
    key: 'threads',
    schema: integer(1, 1024).describe('integer from 1 to 1024'),
    example: '4',
    text: 'CPU threads. Unset: one per core.',
  },
  HF_TOKEN: {
    key: 'hubToken',
    schema: text('access token of Hugging Face'),
    secret: true,
    text: 'Access token of Hugging Face, for repositories that require one.',
  },
});

const PROCESS = table({
  ENVIRONMENT: {
    key: 'environment',
    schema: z.enum(['development', 'production']).describe('development or production'),
    example: 'production',
    text: 'development: logs are easy to read. production: logs are JSON lines. Unset: development on a terminal, else production.',
  },
  LOG_LEVEL: {
    key: 'logLevel',
    schema: z
      .string()
      .toLowerCase()
      .pipe(z.enum(['error', 'warn', 'info', 'debug']))
      .describe('error, warn, info or debug'),
    example: 'info',
    text: 'Lowest level that is logged: error, warn, info or debug. Unset: info.',
  },
  DEBUG: {
    key: 'debug',
    schema: flag,
    default: 'false',
    text: 'true: the log level is debug, unless LOG_LEVEL is set.',
  },
  HOST: {
    key: 'host',
    schema: text('address or name to listen on'),
    default: '127.0.0.1',
    example: '0.0.0.0',
    text: 'Address to listen on. 127.0.0.1: this machine only. 0.0.0.0: every address of this machine. The images set 0.0.0.0.',
  },
  PORT: { key: 'port', schema: port, default: '8000', text: 'Port of the API.' },
  BASE_PATH: {
    key: 'basePath',
    schema: basePath,
    default: '/',
    example: '/stems',
    text: 'Path below which the page and the API are found: with /stems the API is /stems/api/v1. For a reverse proxy that passes paths on as they are. A proxy that removes the path sends it in X-Forwarded-Prefix instead; see TRUST_PROXY.',
  },
  TRUST_PROXY: {
    key: 'trustProxy',
    schema: proxies,
    default: 'false',
    text: 'Behind a reverse proxy: the number of proxies, their addresses, or true for any. It decides which client address counts for the rate limit, and whether URLs in answers begin with X-Forwarded-Prefix.',
  },
});

const WORKERS = table({
  WORKER_CONCURRENCY: {
    key: 'workerConcurrency',
    schema: integer(1, 64).describe('integer from 1 to 64'),
    default: '2',
    alias: 'DEMUCS_NUM_WORKERS',
    text: 'Jobs that one worker runs at a time. Their segments take turns on the device.',
  },
  DEMUCS_AUTO_PULL: {
    key: 'autoPull',
    schema: flag,
    default: 'false',
    text: 'true: pull the default model at the start if it is not installed. Only a model with a stated license is pulled; without DEMUCS_DEFAULT_MODEL it is spleeter-2stems.',
  },
  DEMUCS_AUTO_PULL_UNLICENSED: {
    key: 'autoPullUnlicensed',
    schema: flag,
    default: 'false',
    text: 'true: DEMUCS_AUTO_PULL also pulls a model for whose weights nobody states a license, such as those of Demucs; without DEMUCS_DEFAULT_MODEL it is htdemucs.',
  },
});

const CLIENTS = table({
  ALLOWED_HOSTS: {
    key: 'allowedHosts',
    schema: list
      .pipe(z.array(z.union([z.literal('*'), host])).min(1))
      .describe('hosts such as ["stems.example.org"], or *'),
    example: 'stems.example.org',
    text: 'Without API_KEYS: names under which clients reach the API, besides localhost, HOST and IP addresses. A JSON list, separated by commas, or * for any. Other names are refused with 421, so that a web page cannot reach the API by a name of its own that leads to this machine (DNS rebinding).',
  },
  DEMUCS_MAX_FILE_SIZE: {
    key: 'maxFileSize',
    schema: atLeastOne('number of bytes', 2 ** 40),
    default: '52428800',
    text: 'Largest upload, in bytes.',
  },
  RESUMABLE_UPLOADS: {
    key: 'resumableUploads',
    schema: atLeastOne('number of uploads', 1_000),
    default: '20',
    text: 'Resumable uploads (/api/v1/uploads) that one client may have open. An upload is open until a job is made of it, it is deleted, or RESUMABLE_UPLOAD_TTL is over.',
  },
  RESUMABLE_UPLOAD_BYTES: {
    key: 'resumableUploadBytes',
    schema: atLeastOne('number of bytes', 2 ** 50),
    example: '209715200',
    text: 'Bytes of all open resumable uploads of one client. Unset: four times DEMUCS_MAX_FILE_SIZE.',
  },
  RESUMABLE_UPLOAD_TTL: {
    key: 'resumableUploadTtl',
    schema: seconds('seconds'),
    default: '86400',
    text: 'Seconds after its beginning until a resumable upload is removed, complete or not.',
  },
  DEMUCS_MAX_DURATION: {
    key: 'maxDuration',
    schema: seconds('seconds of audio'),
    default: '600',
    text: 'Longest song, in seconds.',
  },
  API_RATE_LIMIT: {
    key: 'rateLimit',
    schema: atLeastOne('number of jobs', 1_000_000_000),
    default: '5',
    text: 'Jobs of one client that are accepted in API_RATE_LIMIT_PERIOD seconds. A client is an API key or, without keys, an address. Refused requests and replays do not count. Without keys, clients on this machine have no limit.',
  },
  API_REFUSAL_LIMIT: {
    key: 'refusalLimit',
    schema: atLeastOne('number of requests', 1_000_000_000),
    default: '100',
    text: 'Requests for a job that make none (refused, broken off or replayed) of one client in API_RATE_LIMIT_PERIOD seconds.',
  },
  API_RATE_LIMIT_PERIOD: {
    key: 'rateLimitPeriod',
    schema: seconds('seconds'),
    default: '3600',
    text: 'Period of API_RATE_LIMIT and API_REFUSAL_LIMIT, in seconds.',
  },
  API_QUEUE_WITHOUT_WORKERS: {
    key: 'queueWithoutWorkers',
    schema: flag,
    default: 'true',
    text: 'true: while no worker runs, jobs are accepted for the models that workers had last, and wait. false: they are refused with NO_WORKER. Before any worker has run, they are always refused.',
  },
  API_KEYS: {
    key: 'apiKeys',
    schema: list
      .pipe(z.array(apiKey).min(1))
      .describe(
        'list of API keys (each of up to 512 ASCII characters without spaces) such as ["key-of-one","key-of-another"]',
      ),
    secret: true,
    text: 'Keys of the clients that may use the service: a JSON list, or separated by commas. Each key is a tenant that sees only its own jobs. Make one with: openssl rand -hex 32. Unset: anyone who can reach the service may use it.',
  },
  ADMIN_KEY: {
    key: 'adminKey',
    schema: apiKey.describe('key of up to 512 ASCII characters without spaces'),
    secret: true,
    text: 'Key of the operator, for /api/v1/admin, `oxboard jobs` and `oxboard workers`: it shows and changes the jobs of all clients, so it must differ from every key in API_KEYS. Make one with: openssl rand -hex 32. Unset: there is no /api/v1/admin.',
  },
  API_TOKEN_TTL: {
    key: 'tokenTtl',
    schema: integer(60, 365 * 86_400).describe('seconds, an integer from 60 to 31536000 (a year)'),
    default: '21600',
    text: "With keys: seconds for which the URLs in a job's document (stems, events) are valid.",
  },
  API_CORS_ORIGINS: {
    key: 'corsOrigins',
    schema: list.pipe(z.array(origin)).describe('origins such as ["https://example.org"], or *'),
    example: '["https://example.org"]',
    text: 'Origins of web pages that may use the API from a browser: a JSON list, separated by commas, or *. Unset: none.',
  },
});

const WEBHOOKS = table({
  WEBHOOK_SECRET: {
    key: 'webhookSecret',
    schema: z
      .string()
      .regex(WEBHOOK_SECRET)
      .describe('text that only receivers of webhooks know, or whsec_ followed by base64'),
    secret: true,
    text: 'Signs messages to the callback_url of a job (Standard Webhooks). Make one with: echo "whsec_$(openssl rand -base64 32)". Unset: callback_url is refused.',
  },
  WEBHOOK_ALLOW_PRIVATE: {
    key: 'webhookAllowPrivate',
    schema: flag,
    default: 'false',
    text: 'true: callback URLs may lead to private networks, and to ports other than 80 and 443.',
  },
});

const YOUTUBE = table({
  YOUTUBE_ALLOWED_HOSTS: {
    key: 'youtubeHosts',
    schema: list
      .pipe(z.array(host).min(1))
      .describe('hosts such as ["www.youtube.com","youtu.be"]'),
    default: 'youtube.com,www.youtube.com,m.youtube.com,music.youtube.com,youtu.be',
    text: 'Hosts of links that are accepted: a JSON list, or separated by commas; host:port for a port other than the usual one. A host with a port may have a private address.',
  },
  YOUTUBE_MAX_DURATION: {
    key: 'youtubeMaxDuration',
    schema: seconds('seconds of audio'),
    default: '600',
    text: 'Longest song behind a link, in seconds. DEMUCS_MAX_DURATION applies too.',
  },
  YOUTUBE_FORMAT: {
    key: 'youtubeFormat',
    schema: text('format selection of yt-dlp'),
    example: 'bestaudio[ext=m4a]/bestaudio',
    text: 'Format selection of yt-dlp. Unset: the best audio in a protocol that needs no ffmpeg.',
  },
  YOUTUBE_DOWNLOAD_DIR: {
    key: 'youtubeDownloadDir',
    schema: absolutePath('folder for unfinished downloads'),
    example: '/var/tmp/oxboard',
    text: 'Folder for unfinished downloads. Unset: a folder in DATA_DIR.',
  },
  YOUTUBE_COOKIES_FILE: {
    key: 'youtubeCookiesFile',
    schema: absolutePath('file of cookies'),
    example: '/run/secrets/cookies.txt',
    text: 'Cookies of an account for yt-dlp, in the format of Netscape (cookies.txt). Each download has a copy of its own; the file is read again each time and never written. Every client gets what this account may see.',
  },
  YOUTUBE_PROXY: {
    key: 'youtubeProxy',
    schema: z
      .url({ protocol: /^(https?|socks|socks4a?|socks5h?)$/ })
      .describe('URL such as http://user:password@proxy.example.org:3128 or socks5://proxy:1080'),
    secret: true,
    text: 'Proxy through which yt-dlp downloads: http:, https: or socks5:, with user and password if it needs them. It resolves the names of hosts.',
  },
  YT_DLP_PATH: {
    key: 'ytDlpPath',
    schema: text('path of yt-dlp'),
    example: '/opt/yt-dlp/bin/yt-dlp',
    text: 'Program yt-dlp. Unset: that of the npm package yt-dlp-exec, else the one on the PATH.',
  },
});

const FILES = table({
  SOURCE_URL_HOSTS: {
    key: 'sourceUrlHosts',
    schema: list
      .pipe(z.array(z.union([z.literal('*'), host])).min(1))
      .describe('hosts such as ["files.example.org"], or *'),
    example: 'files.example.org',
    text: 'Hosts of links to files (source_url) that are accepted, also in redirects: a JSON list, separated by commas, or * for any with a public address. Ports 80 and 443; host:port for another port, and then the host may have a private address. Unset: source_url is refused.',
  },
});

const S3_ENDPOINT = httpUrl('URL such as https://minio.example.org');
const STORAGE = table({
  DATA_DIR: {
    key: 'dataDir',
    schema: absolutePath('folder for the data of the service'),
    default: 'data',
    text: 'Folder for temporary audio, the private Redis of `oxboard serve`, and (without STORAGE_URL) uploads and stems.',
  },
  STORAGE_URL: {
    key: 'storageUrl',
    schema: z
      .union([z.url({ protocol: /^file$/ }), z.string().regex(S3_URL)])
      .describe('URL such as file:///var/lib/oxboard or s3://bucket/prefix'),
    example: 's3://bucket/prefix',
    text: 'Where uploads and stems are stored: file:///mnt/shared or s3://bucket/prefix. API and workers on different machines need one that all can reach. One storage belongs to one Redis: files of no job there are removed after an hour. Unset: a folder in DATA_DIR.',
  },
  STORAGE_DOWNLOADS: {
    key: 'storageDownloads',
    schema: z.enum(['proxy', 'redirect']).describe('proxy or redirect'),
    default: 'proxy',
    text: 'With an s3: storage. proxy: stems go through the API. redirect: clients get a URL of the bucket, signed for an hour; they must be able to reach it, and pages of other origins need its CORS rules.',
  },
  AWS_REGION: {
    key: 's3Region',
    schema: z
      .string()
      .regex(/^[\w-]+$/)
      .describe('region such as eu-central-1'),
    example: 'eu-central-1',
    text: 'Region of the bucket. Unset: as the AWS SDK finds it.',
  },
  AWS_ENDPOINT_URL: {
    key: 'awsEndpoint',
    schema: S3_ENDPOINT,
    example: 'https://minio.example.org',
    text: "URL of an S3 store other than Amazon's. Credentials are found by the AWS SDK: in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine.",
  },
  AWS_ENDPOINT_URL_S3: {
    key: 's3Endpoint',
    schema: S3_ENDPOINT,
    example: 'https://minio.example.org',
    text: 'The same for S3 alone; takes precedence over AWS_ENDPOINT_URL.',
  },
  JOB_TTL: {
    key: 'jobTtl',
    schema: seconds('seconds'),
    default: '86400',
    text: 'Seconds for which a job and its stems are kept after it ends.',
  },
  JOB_MAX_WAIT: {
    key: 'jobMaxWait',
    schema: seconds('seconds'),
    default: '604800',
    text: 'Longest time in seconds that a job may wait for a worker; after it the job fails. Only time in which a worker runs counts: while the service or all workers are down, nothing is added.',
  },
  REDIS_URL: {
    key: 'redisUrl',
    schema: z
      .union([z.url({ protocol: /^rediss?$/ }), z.string().regex(/^unix:\/\/\//)])
      .describe('URL such as redis://localhost:6379 or unix:///run/redis.sock'),
    example: 'redis://localhost:6379',
    text: 'Redis that API and workers share. Unset: `oxboard serve` runs a private one; `oxboard api` and `oxboard worker` do not start.',
  },
  REDIS_DB: {
    key: 'redisDb',
    schema: integer(0, 65_535).describe('number of a Redis database'),
    default: '0',
    text: 'Number of the Redis database.',
  },
  REDIS_FSYNC: {
    key: 'redisFsync',
    schema: z.enum(['everysec', 'always']).describe('everysec or always'),
    default: 'everysec',
    text: 'When the private Redis of `oxboard serve` writes to the disk. everysec: each second; a power failure may cost the last one. always: before each answer; slower, and nothing is lost.',
  },
});

const OBSERVABILITY = table({
  OBSERVABILITY_PROMETHEUS_PORT: {
    key: 'metricsPort',
    schema: port,
    default: '9090',
    text: 'Port of /metrics of `oxboard serve` and `oxboard api`.',
  },
  METRICS_PORT: {
    key: 'workerMetricsPort',
    schema: port,
    example: '9091',
    text: "Port of a separate worker's /metrics. Unset: disabled.",
  },
  OBSERVABILITY_ENABLE_TRACING: {
    key: 'tracingEnabled',
    schema: flag,
    default: 'false',
    text: 'true: each request is traced, through the queue and all work for its job.',
  },
});

const COLLECTOR = httpUrl('URL of an OpenTelemetry collector such as http://localhost:4318');
const OTLP_PROTOCOL = z.enum(['http/protobuf', 'http/json']).describe('http/protobuf or http/json');
/** The standard variables of OpenTelemetry that decide what is loaded. Its SDK reads the others. */
const TRACING = table({
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    key: 'endpoint',
    schema: COLLECTOR,
    example: 'http://localhost:4318',
    alias: 'OBSERVABILITY_OTLP_ENDPOINT',
    text: 'URL of an OpenTelemetry collector (OTLP over HTTP). Unset: traces are not sent; only logs have their ids.',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    key: 'tracesEndpoint',
    schema: COLLECTOR,
    example: 'http://localhost:4318/v1/traces',
    text: 'The same for traces alone, with the whole path.',
  },
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    key: 'protocol',
    schema: OTLP_PROTOCOL,
    example: 'http/protobuf',
    text: 'http/protobuf or http/json. Unset: http/protobuf.',
  },
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: {
    key: 'tracesProtocol',
    schema: OTLP_PROTOCOL,
    example: 'http/protobuf',
    text: 'The same for traces alone.',
  },
  OTEL_TRACES_EXPORTER: {
    key: 'exporter',
    schema: z.enum(['otlp', 'none']).describe('otlp or none'),
    example: 'otlp',
    text: 'none: traces are not sent. Unset: otlp.',
  },
  OTEL_SDK_DISABLED: {
    key: 'disabled',
    schema: flag,
    example: 'false',
    text: 'true: tracing is off.',
  },
});

/** Every setting, under headings. */
export const SETTINGS: readonly { heading: string; note?: string; settings: Table }[] = [
  { heading: 'The process', settings: PROCESS },
  {
    heading: 'Models and device',
    note: 'Every command reads these. The others are read by `oxboard serve`, `api` and `worker` alone.',
    settings: ENGINE,
  },
  { heading: 'Workers', settings: WORKERS },
  { heading: 'Clients and limits', settings: CLIENTS },
  { heading: 'Webhooks', settings: WEBHOOKS },
  { heading: 'Links to videos', settings: YOUTUBE },
  { heading: 'Links to files', settings: FILES },
  { heading: 'Data', settings: STORAGE },
  { heading: 'Metrics and traces', settings: OBSERVABILITY },
  {
    heading: 'OpenTelemetry',
    note: 'Standard variables, read only when tracing is on. The others of the SDK (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on) work too.',
    settings: TRACING,
  },
];

/** Every setting by its variable. */
export const SETTING_OF: ReadonlyMap<string, Setting> = new Map(
  SETTINGS.flatMap(({ settings }) => Object.entries(settings)),
);

/** What every command needs. `device` is `cpu` when GPUs are switched off. */
export type Config = Omit<Values<typeof ENGINE>, 'gpuEnabled'>;

/** By default a client may have so many uploads of the largest size open. */
const OPEN_UPLOADS_OF_LARGEST = 4;

const SERVICE = {
  ...ENGINE,
  ...PROCESS,
  ...WORKERS,
  ...CLIENTS,
  ...WEBHOOKS,
  ...YOUTUBE,
  ...FILES,
  ...STORAGE,
  ...OBSERVABILITY,
};

/** What `serve`, `api` and `worker` need. Folders are absolute, periods are in seconds. */
export type ServiceConfig = ReturnType<typeof readServiceConfig>;

/** @throws OxboardError INVALID_ENVIRONMENT */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  return engineConfig(read(ENGINE, variables));
}

/** @throws OxboardError INVALID_ENVIRONMENT */
export function readServiceConfig(variables: NodeJS.ProcessEnv) {
  const { debug, awsEndpoint, tracingEnabled, ...values } = read(SERVICE, variables);
  const { dataDir, storageDownloads, storageUrl } = values;
  if (storageDownloads === 'redirect' && !storageUrl?.startsWith('s3:')) {
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      'STORAGE_DOWNLOADS=redirect needs an s3: URL in STORAGE_URL: clients cannot be redirected to a folder',
    );
  }
  if (values.adminKey !== undefined && values.apiKeys?.includes(values.adminKey)) {
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      'ADMIN_KEY is one of API_KEYS: that client could change the jobs of all others. Choose another key',
    );
  }
  return {
    ...engineConfig(values),
    environment: values.environment ?? (process.stdout.isTTY ? 'development' : 'production'),
    logLevel: values.logLevel ?? (debug ? 'debug' : 'info'),
    s3Endpoint: values.s3Endpoint ?? awsEndpoint,
    /** Each is a tenant. Empty: anyone who can reach the service is the one tenant. */
    apiKeys: [...new Set(values.apiKeys)],
    resumableUploadBytes:
      values.resumableUploadBytes ?? OPEN_UPLOADS_OF_LARGEST * values.maxFileSize,
    corsOrigins: values.corsOrigins ?? [],
    youtubeDownloadDir: values.youtubeDownloadDir ?? join(dataDir, 'downloads'),
    /** Undefined: tracing is off. `protocol` is undefined when traces are not sent. */
    tracing: tracingEnabled ? readTracing(variables) : undefined,
  };
}

function readTracing(variables: NodeJS.ProcessEnv) {
  const values = read(TRACING, variables);
  if (values.disabled) return undefined;
  const { exporter, endpoint, tracesEndpoint, protocol, tracesProtocol } = values;
  if ((tracesEndpoint ?? endpoint) === undefined || exporter === 'none') {
    return { protocol: undefined };
  }
  return { protocol: tracesProtocol ?? protocol ?? ('http/protobuf' as const) };
}

const engineConfig = <T extends Values<typeof ENGINE>>({ gpuEnabled, ...values }: T) => ({
  ...values,
  device: gpuEnabled ? values.device : 'cpu',
});

function read<T extends Table>(settings: T, variables: NodeJS.ProcessEnv): Values<T> {
  const set = (name: string) => (variables[name] === '' ? undefined : variables[name]);
  const values = Object.entries(settings).map(([variable, setting]) => {
    const { key, alias } = setting;
    const name = alias !== undefined && set(variable) === undefined ? alias : variable;
    const value = set(name) ?? setting.default;
    return [key, value === undefined ? undefined : parse(name, setting, value)];
  });
  return Object.fromEntries(values) as Values<T>;
}

function parse(name: string, { schema, secret = false }: Setting, value: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new OxboardError(
    'INVALID_ENVIRONMENT',
    `Expected ${String(schema.description)} for the environment variable ${name} but received ` +
      (secret ? 'something else (a secret, not shown here)' : `"${redactUrl(value)}"`),
  );
}
