-- gpuwarden: tables that other programs share. Created only where absent; columns that we need are added where missing.
-- Indexes come last (0010): on a table of millions of rows build them beforehand, as it says there.

-- What the existing tables need so that our functions can work with them, in words; none when they fit.
create or replace function public.gpuwarden_misfits() returns text[]
language plpgsql stable set search_path = public, pg_temp as $$
declare
  misfits text[] := '{}';
  c record;
  rule record;
  word text;
  allowed boolean;
begin
  for c in
    select format('%s.%s', n.tab, n.col) as name, n.col, n.needed, n.words, a.attrelid, a.attnum, a.atttypmod, t.typtype,
           t.oid as kind, t.typcategory = 'S' as is_text, format_type(a.atttypid, a.atttypmod) as found
    from (values
      ('tasks', 'id', 'uuid', null),
      ('tasks', 'status', 'text or an enum', array['Queued', 'In Progress', 'Complete', 'Failed']),
      ('tasks', 'attempts', 'integer, smallint or bigint', null),
      ('tasks', 'worker_id', 'text', null),
      ('tasks', 'created_at', 'a timestamp', null),
      ('tasks', 'updated_at', 'a timestamp', null),
      ('tasks', 'generation_started_at', 'a timestamp', null),
      ('tasks', 'generation_processed_at', 'a timestamp', null),
      ('tasks', 'error_message', 'text', null),
      ('tasks', 'result_data', 'jsonb, json or text', null),
      ('workers', 'id', 'text', null),
      ('workers', 'instance_type', 'text', null),
      ('workers', 'status', 'text or an enum', array['spawning', 'active', 'terminating', 'error', 'terminated']),
      ('workers', 'created_at', 'a timestamp', null),
      ('workers', 'last_heartbeat', 'a timestamp', null),
      ('workers', 'metadata', 'jsonb or json', null)) as n(tab, col, needed, words)
    join pg_attribute a on a.attrelid = to_regclass('public.' || n.tab) and a.attname = n.col and not a.attisdropped
    join pg_type d on d.oid = a.atttypid
    join pg_type t on t.oid = case when d.typtype = 'd' then d.typbasetype else d.oid end
  loop
    if not (c.is_text and c.needed ~ '\mtext\M' or c.typtype = 'e' and c.needed ~ 'enum'
            or c.kind in ('timestamp'::regtype, 'timestamptz'::regtype) and c.needed ~ 'timestamp'
            or c.kind in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) and c.needed ~ 'integer'
            or c.kind in ('json'::regtype, 'jsonb'::regtype) and c.needed ~ 'json'
            or c.kind = 'uuid'::regtype and c.needed ~ 'uuid') then
      misfits := misfits || format('%s as %s (it is %s)', c.name, c.needed, c.found);
      continue;
    end if;
    foreach word in array coalesce(c.words, '{}') loop
      if c.typtype = 'e' and not exists (select 1 from pg_enum e where e.enumtypid = c.kind and e.enumlabel = word) then
        misfits := misfits || format('the value ''%s'' for %s (the type %s lacks it)', word, c.name, c.found);
      elsif c.is_text and c.atttypmod > 4 and c.atttypmod - 4 < length(word) then
        misfits := misfits || format('the value ''%s'' for %s (%s is too short)', word, c.name, c.found);
      else
        for rule in
          select conname, pg_get_expr(conbin, conrelid) as body from pg_constraint
          where conrelid = c.attrelid and contype = 'c' and conkey = array[c.attnum]
        loop
          execute format('select coalesce((%s), true) from (select %L::%s as %I) as one', rule.body, word, c.found, c.col)
          into allowed;
          if not allowed then
            misfits := misfits || format('the value ''%s'' for %s (the constraint %s refuses it)', word, c.name, rule.conname);
          end if;
        end loop;
      end if;
    end loop;
  end loop;
  return misfits;
end
$$;

do $migration$
begin
  if cardinality(public.gpuwarden_misfits()) > 0 then
    raise exception 'gpuwarden: nothing was changed; the existing tables need: %', array_to_string(public.gpuwarden_misfits(), '; ')
    using hint = 'Change these columns, then run the output of `gpuwarden migrate --print` again.';
  end if;
end
$migration$;

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

-- Adds a column where it is missing. Asks the catalogue first: even `if not exists` waits for everybody who reads the table.
create or replace function public.gpuwarden_ensure_column(table_param text, column_param text, definition_param text) returns void
language plpgsql set search_path = public, pg_temp set lock_timeout = '5s' as $$
begin
  if not exists (select 1 from pg_attribute where attrelid = to_regclass('public.' || table_param) and attname = column_param
                 and not attisdropped) then
    execute format('alter table public.%I add column %I %s', table_param, column_param, definition_param);
  end if;
end
$$;

-- Builds an index where none of its name is there, for the same reason.
create or replace function public.gpuwarden_ensure_index(name_param text, definition_param text) returns void
language plpgsql set search_path = public, pg_temp set lock_timeout = '5s' as $$
begin
  if to_regclass('public.' || name_param) is null then
    execute format('create index %I on public.%s', name_param, definition_param);
  end if;
end
$$;

-- Some functions belong to the user as soon as they write their own. True when there is none of this name, or only what
-- gpuwarden_mark saw last.
create or replace function public.gpuwarden_may_define(name_param text) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select coalesce(bool_and(coalesce(obj_description(oid, 'pg_proc'), '') = 'gpuwarden-default ' || md5(prosrc)), true)
  from pg_proc where proname = name_param and pronamespace = 'public'::regnamespace
$$;

create or replace function public.gpuwarden_mark(signature_param text) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  execute format('comment on function %s is %L', signature_param::regprocedure,
    'gpuwarden-default ' || (select md5(prosrc) from pg_proc where oid = signature_param::regprocedure));
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

do $migration$
begin
  perform public.gpuwarden_ensure_column('tasks', 'attempts', 'integer default 0');
  perform public.gpuwarden_ensure_column('tasks', 'worker_id', 'text');
  perform public.gpuwarden_ensure_column('tasks', 'updated_at', 'timestamptz default now()');
  perform public.gpuwarden_ensure_column('tasks', 'generation_started_at', 'timestamptz');
  perform public.gpuwarden_ensure_column('tasks', 'generation_processed_at', 'timestamptz');
  perform public.gpuwarden_ensure_column('tasks', 'error_message', 'text');
  perform public.gpuwarden_ensure_column('tasks', 'result_data', 'jsonb');
  perform public.gpuwarden_ensure_column('workers', 'last_heartbeat', 'timestamptz');
  perform public.gpuwarden_ensure_column('workers', 'metadata', $c$ jsonb default '{}'::jsonb $c$);
end
$migration$;
