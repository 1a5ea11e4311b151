-- gpuwarden: tables that other programs share. Created only where absent; columns that we need are added where missing.

-- Takes what a project's default privileges gave away on an object that we have just made.
create or replace function public.gpuwarden_close(object_param text) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  role text;
begin
  execute format('revoke all on %s from public', object_param);
  for role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on %s from %I', object_param, role);
  end loop;
end
$$;

do $migration$
begin
  if to_regclass('public.tasks') is null then
    create table public.tasks (
      id uuid primary key default gen_random_uuid(),
      task_type text not null,
      params jsonb not null default '{}'::jsonb,
      status text not null default 'Queued',
      attempts integer not null default 0,
      worker_id text,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      generation_started_at timestamptz,
      generation_processed_at timestamptz,
      error_message text,
      result_data jsonb,
      dependant_on uuid[]
    );
    alter table public.tasks enable row level security;
    perform public.gpuwarden_close('table public.tasks');
  end if;
end
$migration$;

do $migration$
begin
  if to_regclass('public.workers') is null then
    create table public.workers (
      id text primary key,
      instance_type text not null,
      status text not null default 'spawning',
      created_at timestamptz not null default now(),
      last_heartbeat timestamptz,
      metadata jsonb not null default '{}'::jsonb
    );
    alter table public.workers enable row level security;
    perform public.gpuwarden_close('table public.workers');
  end if;
end
$migration$;

do $migration$
begin
  if to_regclass('public.system_logs') is null then
    create table public.system_logs (
      id bigint generated always as identity primary key,
      "timestamp" timestamptz not null default now(),
      source_type text,
      source_id text,
      log_level text,
      message text,
      task_id uuid,
      worker_id text,
      cycle_number bigint,
      metadata jsonb
    );
    alter table public.system_logs enable row level security;
    perform public.gpuwarden_close('table public.system_logs');
  end if;
end
$migration$;

alter table public.tasks add column if not exists attempts integer default 0;
alter table public.tasks add column if not exists worker_id text;
alter table public.tasks add column if not exists updated_at timestamptz default now();
alter table public.tasks add column if not exists generation_started_at timestamptz;
alter table public.tasks add column if not exists generation_processed_at timestamptz;
alter table public.tasks add column if not exists error_message text;
alter table public.tasks add column if not exists result_data jsonb;
alter table public.workers add column if not exists last_heartbeat timestamptz;
alter table public.workers add column if not exists metadata jsonb default '{}'::jsonb;

-- Every query of ours stays on these, however many finished tasks there are. The literals take the type of the column,
-- so that a text status and an enum of any name both work.
create index if not exists gpuwarden_tasks_queued on public.tasks (created_at, id) where status = 'Queued';
create index if not exists gpuwarden_tasks_running on public.tasks (worker_id) where status = 'In Progress';
create index if not exists gpuwarden_tasks_of_worker on public.tasks (worker_id, updated_at desc) where worker_id is not null;
create index if not exists gpuwarden_tasks_recent on public.tasks (created_at desc);
create index if not exists gpuwarden_tasks_by_status on public.tasks (status, created_at desc);
