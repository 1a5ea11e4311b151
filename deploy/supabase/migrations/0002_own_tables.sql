-- gpuwarden: its own tables. Only its functions and service_role reach them.

create table if not exists public.gpuwarden_meta (
  only_row boolean primary key default true check (only_row),
  schema_version integer not null,
  applied_at timestamptz not null default now()
);
insert into public.gpuwarden_meta (schema_version) values (4)
on conflict (only_row) do update set schema_version = excluded.schema_version, applied_at = now();

-- Who leads for an owner. `epoch` is the fencing token that every write of a daemon names.
create table if not exists public.gpuwarden_leaders (
  owner text primary key,
  epoch bigint not null default 1,
  holder text not null,
  expires_at timestamptz not null
);

-- Breaker memory, switches and settings, one row a key.
create table if not exists public.gpuwarden_state (
  owner text not null,
  key text not null,
  value jsonb not null,
  changed_at timestamptz not null default now(),
  primary key (owner, key)
);

-- One row for each worker ever registered; beside `workers`, because other programs write that row's metadata as a whole.
create table if not exists public.gpuwarden_workers (
  worker_id text primary key,
  owner text not null,
  epoch bigint not null,
  status text not null default 'spawning',
  phase text not null default 'intent',
  phase_since timestamptz not null default now(),
  step text,
  token_hash bytea,
  pod_id text,
  gpu text,
  data_center text,
  volume_id text,
  volume_name text,
  cloud text,
  image text,
  script_hash text,
  cost_per_hr double precision not null default 0,
  generation bigint not null default 0,
  canary boolean not null default false,
  drain_reason text,
  end_reason text,
  heartbeat_base timestamptz,
  activated_at timestamptz,
  last_task_at timestamptz,
  report jsonb,
  crash jsonb,
  git_commit text,
  vram_total_mb bigint,
  vram_used_mb bigint,
  disk_free_mb bigint,
  agent_uptime_s double precision,
  outcome text,
  outcome_at timestamptz,
  registered_at timestamptz not null default now(),
  ended_at timestamptz
);

-- One row for each failure: what every report is made of.
create table if not exists public.gpuwarden_failures (
  id uuid primary key default gen_random_uuid(),
  worker_id text not null unique,
  owner text not null,
  cause text not null,
  summary text,
  evidence_line text,
  fingerprint text,
  phase text,
  scope text,
  counts boolean not null default true,
  advice text,
  evidence jsonb,
  pod_id text,
  gpu text,
  data_center text,
  cost_usd double precision not null default 0,
  generation bigint not null default 0,
  task_ids uuid[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

do $migration$
declare
  t text;
begin
  perform public.gpuwarden_ensure_column('gpuwarden_workers', 'heartbeat_at', 'timestamptz');
  -- The last task that the worker gave back, so that a repeat of that call gets the same answer.
  perform public.gpuwarden_ensure_column('gpuwarden_workers', 'released_task', 'uuid');
  perform public.gpuwarden_ensure_column('gpuwarden_workers', 'released_attempt', 'integer');
  perform public.gpuwarden_ensure_column('gpuwarden_workers', 'released_status', 'text');
  -- Names the call that stored the failure, for the same reason.
  perform public.gpuwarden_ensure_column('gpuwarden_failures', 'request_id', 'text');
  perform set_config('lock_timeout', '5s', true);
  for t in
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and not relrowsecurity
      and relname in ('gpuwarden_meta', 'gpuwarden_leaders', 'gpuwarden_state', 'gpuwarden_workers', 'gpuwarden_failures')
  loop
    execute format('alter table public.%I enable row level security', t);
    perform public.gpuwarden_close(format('table public.%I', t));
  end loop;
end
$migration$;
