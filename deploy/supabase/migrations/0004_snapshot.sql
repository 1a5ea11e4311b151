-- gpuwarden: everything that a decision needs, in one answer that no row cap cuts.

-- Takes or renews the leadership of an owner. Null = the database answers reads only. Waits for nobody: a write of the
-- daemon that hangs (gpuwarden_leads holds the row) must not blind it, and only a change of leader has to exclude writes.
create or replace function public.gpuwarden_lead(owner_param text, holder_param text, lease_sec_param integer)
returns public.gpuwarden_leaders
language plpgsql set search_path = public, pg_temp as $$
declare
  leader public.gpuwarden_leaders;
  lease interval := make_interval(secs => lease_sec_param);
begin
  select * into leader from public.gpuwarden_leaders where owner = owner_param;
  if not found then
    insert into public.gpuwarden_leaders (owner, epoch, holder, expires_at)
    values (owner_param, 1, holder_param, clock_timestamp() + lease) on conflict (owner) do nothing;
  elsif leader.holder = holder_param then
    if leader.expires_at > clock_timestamp() + lease / 2 then return leader; end if;
    update public.gpuwarden_leaders set expires_at = clock_timestamp() + lease
    where owner = owner_param and holder = holder_param;
  elsif leader.expires_at <= clock_timestamp() then
    perform 1 from public.gpuwarden_leaders
    where owner = owner_param and epoch = leader.epoch and expires_at <= clock_timestamp() for update skip locked;
    if found then
      update public.gpuwarden_leaders
      set epoch = epoch + 1, holder = holder_param, expires_at = clock_timestamp() + lease where owner = owner_param;
    end if;
  end if;
  select * into leader from public.gpuwarden_leaders where owner = owner_param;
  return leader;
exception
  when lock_not_available then
    select * into leader from public.gpuwarden_leaders where owner = owner_param;
    return leader;
  when read_only_sql_transaction or disk_full or insufficient_privilege then
    return null;
end
$$;

-- The last sign of life, in our row or in the shared one, whose first value may be a default that no worker sent.
create or replace function public.gpuwarden_heartbeat(g public.gpuwarden_workers, w public.workers) returns timestamptz
language sql stable set search_path = public, pg_temp as $$
  select greatest(g.heartbeat_at, case when w.last_heartbeat is distinct from g.heartbeat_base then w.last_heartbeat end)
$$;

create or replace function public.gpuwarden_worker_json(
  g public.gpuwarden_workers, w public.workers, at_param timestamptz) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'id', g.worker_id, 'status', s.status,
    'phase', case
      when s.status = 'active' then case when t.ids is null then 'idle' else 'busy' end
      when s.status = 'terminating' then case when g.phase = 'deleting' then 'deleting' else 'draining' end
      when s.status = 'error' then case when g.phase = 'deleting' then 'deleting' else 'collecting' end
      when g.phase in ('intent', 'unknown', 'provisioning', 'starting', 'connecting', 'bootstrapping', 'awaiting_heartbeat')
        then g.phase
      else 'provisioning' end,
    'step', g.step, 'pod_id', g.pod_id, 'gpu', g.gpu, 'data_center', g.data_center, 'volume_id', g.volume_id,
    'volume_name', g.volume_name, 'cloud', g.cloud, 'image', g.image, 'script_hash', g.script_hash,
    'cost_per_hr', g.cost_per_hr, 'generation', g.generation, 'canary', g.canary,
    'proven', coalesce(g.activated_at is not null, false),
    'age_s', greatest(extract(epoch from at_param - g.registered_at), 0),
    'phase_age_s', greatest(extract(epoch from at_param - g.phase_since), 0),
    'heartbeat_age_s', case when h.at is not null then greatest(extract(epoch from at_param - h.at), 0) end,
    'idle_s', case when s.status = 'active' and t.ids is null then
      greatest(extract(epoch from at_param - greatest(g.activated_at, g.last_task_at, g.registered_at, d.ended_at)), 0) end,
    'tasks', coalesce(t.ids, '[]'::jsonb), 'drain_reason', g.drain_reason,
    'crash', coalesce(g.crash, case when w.status::text = 'crashed' then '{"tail": []}'::jsonb end), 'git_commit', g.git_commit,
    'vram_total_mb', g.vram_total_mb, 'vram_used_mb', g.vram_used_mb, 'disk_free_mb', g.disk_free_mb,
    'agent_uptime_s', g.agent_uptime_s)
  from (select public.gpuwarden_status(w.status::text, g.status) as status) s
  cross join lateral (select jsonb_agg(t.id order by t.id) as ids from public.tasks t
                      where t.worker_id = g.worker_id and t.status = 'In Progress') t
  cross join lateral (select max(t.updated_at) as ended_at from public.tasks t where t.worker_id = g.worker_id) d
  cross join lateral (select public.gpuwarden_heartbeat(g, w) as at) h
$$;

create or replace function public.gpuwarden_outcomes(owner_param text, window_sec_param double precision, at_param timestamptz)
returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'worker_id', g.worker_id, 'success', g.outcome = 'success', 'cause', f.cause, 'gpu', g.gpu,
    'data_center', g.data_center, 'volume_id', g.volume_id, 'cloud', g.cloud, 'fingerprint', f.fingerprint,
    'summary', f.summary, 'script_hash', g.script_hash, 'generation', g.generation,
    'took_s', case when g.outcome = 'success' then greatest(extract(epoch from g.outcome_at - g.registered_at), 0) end,
    'age_s', greatest(extract(epoch from at_param - g.outcome_at), 0)) order by g.outcome_at desc), '[]'::jsonb)
  from (select * from public.gpuwarden_workers
        where owner = owner_param and outcome is not null
          and outcome_at > at_param - make_interval(secs => window_sec_param)
        order by outcome_at desc limit 2000) g
  -- One look-up a row by its index, however the planner guesses the number of rows.
  left join lateral (select x.cause, x.fingerprint, left(x.summary, 300) as summary from public.gpuwarden_failures x
                     where x.worker_id = g.worker_id and g.outcome = 'failure' limit 1) f on true
$$;

-- A create whose outcome is unknown may have made a pod, so it costs until it is known.
create or replace function public.gpuwarden_spent_last_day(owner_param text, at_param timestamptz) returns double precision
language sql stable set search_path = public, pg_temp as $$
  select coalesce(sum(cost_per_hr * greatest(extract(epoch from
    coalesce(ended_at, at_param) - greatest(registered_at, at_param - interval '24 hours')), 0) / 3600.0), 0)::double precision
  from public.gpuwarden_workers
  where owner = owner_param and (ended_at is null or ended_at > at_param - interval '24 hours')
    and (pod_id is not null or phase = 'unknown' and ended_at is null)
$$;

-- Of that, what went to pods that have ended and never finished a task. The look-up is a scalar, so that it is one probe of
-- an index a worker, however the planner guesses the number of rows.
create or replace function public.gpuwarden_fruitless_last_day(owner_param text, at_param timestamptz) returns double precision
language sql stable set search_path = public, pg_temp as $$
  select coalesce(sum(g.cost_per_hr * greatest(extract(epoch from
    g.ended_at - greatest(g.registered_at, at_param - interval '24 hours')), 0) / 3600.0), 0)::double precision
  from public.gpuwarden_workers g
  where g.owner = owner_param and g.ended_at > at_param - interval '24 hours' and g.pod_id is not null
    and (select true from public.tasks t where t.worker_id = g.worker_id and t.status = 'Complete' limit 1) is null
$$;

-- How long tasks of each type take: the mean of the newest 50 that were completed in the last 24 hours. The types are found by
-- skipping through the index from one to the next, and each is one short range of it; 200 types are looked at.
create or replace function public.gpuwarden_pace(at_param timestamptz) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with recursive types(task_type) as (
    (select t.task_type from public.tasks t where t.status = 'Complete' order by t.task_type limit 1)
    union all
    select (select t.task_type from public.tasks t where t.status = 'Complete' and t.task_type > types.task_type
            order by t.task_type limit 1)
    from types where types.task_type is not null
  )
  select coalesce(jsonb_object_agg(pace.task_type::text, jsonb_build_object('typical_s', pace.typical, 'samples', pace.samples)), '{}'::jsonb)
  from (
    select k.task_type, d.typical, d.samples
    from (select task_type from types where task_type is not null limit 200) k
    cross join lateral (
      select avg(extract(epoch from n.ended - n.started)) as typical, count(*) as samples
      from (select t.generation_started_at as started, coalesce(t.generation_processed_at, t.updated_at) as ended
            from public.tasks t
            where t.status = 'Complete' and t.task_type = k.task_type and t.updated_at > at_param - interval '24 hours'
            order by t.updated_at desc limit 50) n
      where n.ended > n.started) d
    where d.samples > 0
  ) pace
$$;

-- Options that pods' functions need, from whatever call of the daemon names them.
create or replace function public.gpuwarden_keep_settings(owner_param text, options_param jsonb) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  wanted jsonb := jsonb_strip_nulls(jsonb_build_object(
    'task_max_attempts', options_param -> 'task_max_attempts', 'pod_lease_sec', options_param -> 'pod_lease_sec'));
begin
  -- Looked up first: the upsert would lock the row even where it changes nothing.
  if wanted = '{}'::jsonb or exists (select 1 from public.gpuwarden_state
                                     where owner = owner_param and key = 'settings' and value @> wanted) then
    return;
  end if;
  insert into public.gpuwarden_state as s (owner, key, value) values (owner_param, 'settings', wanted)
  on conflict (owner, key) do update set value = s.value || excluded.value, changed_at = now();
end
$$;

-- An end that somebody asks for in the shared row becomes a drain of ours that begins now: its time to finish a task counts
-- from here, not from the beginning of the phase before. A row that is just being written is left to the next snapshot.
create or replace function public.gpuwarden_adopt_requests(owner_param text) returns void
language sql volatile set search_path = public, pg_temp as $$
  update public.gpuwarden_workers g
  set status = 'terminating', phase = 'draining', phase_since = now(), step = null,
      drain_reason = coalesce(g.drain_reason, 'workers.status was set to ' || asked.word)
  from (select x.worker_id, w.status::text as word
        from public.gpuwarden_workers x join public.workers w on w.id = x.worker_id
        where x.owner = owner_param and x.ended_at is null and x.status in ('spawning', 'active')
          and w.status::text in ('terminating', 'terminated')
        for update of x skip locked) asked
  where g.worker_id = asked.worker_id
$$;

-- What the leader's snapshot before left behind; then leaves the new value. Waits for nobody: a row that is being written
-- keeps its value, which shows at the next read. No writing, no failing: whatever is wrong shows by the old value, too.
create or replace function public.gpuwarden_leave_beacon(owner_param text, beacon_param text) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  old_value jsonb;
begin
  select value into old_value from public.gpuwarden_state where owner = owner_param and key = 'beacon' for update skip locked;
  if found then
    update public.gpuwarden_state set value = to_jsonb(left(beacon_param, 200)), changed_at = now()
    where owner = owner_param and key = 'beacon';
  else
    select value into old_value from public.gpuwarden_state where owner = owner_param and key = 'beacon';
    if not found then
      insert into public.gpuwarden_state (owner, key, value) values (owner_param, 'beacon', to_jsonb(left(beacon_param, 200)))
      on conflict (owner, key) do nothing;
    end if;
  end if;
  return old_value #>> '{}';
exception
  when lock_not_available or disk_full or read_only_sql_transaction then
    return old_value #>> '{}';
end
$$;

-- Workers that failed in the last ten minutes, and how long their heartbeats had been missing then: how many of the silent
-- were replaced lately must be known to a daemon that has just started, too.
create or replace function public.gpuwarden_recent_failures(owner_param text, at_param timestamptz) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'worker_id', f.worker_id, 'age_s', greatest(extract(epoch from at_param - f.created_at), 0),
    'silent_s', f.evidence -> 'heartbeat_age_s') order by f.created_at desc), '[]'::jsonb)
  from (select worker_id, created_at, evidence from public.gpuwarden_failures
        where owner = owner_param and created_at > at_param - interval '10 minutes'
        order by created_at desc limit 500) f
  where jsonb_typeof(f.evidence -> 'heartbeat_age_s') = 'number'
$$;

-- The most frequent ways to fail within the failure window, for `status`: the same fingerprint on many pods is one.
create or replace function public.gpuwarden_failing(owner_param text, window_sec_param double precision, at_param timestamptz)
returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'cause', x.cause, 'fingerprint', x.fingerprint, 'summary', x.summary, 'worker_id', x.worker_id, 'count', x.count,
    'cost_usd', x.cost_usd, 'age_s', greatest(extract(epoch from at_param - x.newest), 0))
    order by x.count desc, x.newest desc), '[]'::jsonb)
  from (select cause, fingerprint, count(*) as count, sum(cost_usd) as cost_usd, max(created_at) as newest,
               left((array_agg(summary order by created_at desc))[1], 300) as summary,
               (array_agg(worker_id order by created_at desc))[1] as worker_id
        from (select cause, fingerprint, summary, worker_id, cost_usd, created_at from public.gpuwarden_failures
              where owner = owner_param and created_at > at_param - make_interval(secs => window_sec_param)
              order by created_at desc limit 1000) f
        group by cause, fingerprint order by count(*) desc, max(created_at) desc limit 5) x
$$;

create or replace function public.gpuwarden_snapshot(
  owner_param text, holder_param text default null, lease_sec_param integer default 30, options_param jsonb default '{}')
returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  at timestamptz := clock_timestamp();
  options jsonb := coalesce(options_param, '{}'::jsonb);
  looking boolean := coalesce(holder_param, '') = '';
  writable boolean := current_setting('transaction_read_only') = 'off';
  leader public.gpuwarden_leaders;
  beacon text;
  breaker public.gpuwarden_state;
  forced jsonb;
  switches jsonb;
begin
  if not looking and writable then
    leader := public.gpuwarden_lead(owner_param, holder_param, lease_sec_param);
    writable := leader is not null;
    if writable and leader.holder = holder_param then
      perform public.gpuwarden_keep_settings(owner_param, options);
      perform public.gpuwarden_adopt_requests(owner_param);
      if coalesce(options ->> 'beacon', '') <> '' then
        beacon := public.gpuwarden_leave_beacon(owner_param, options ->> 'beacon');
      end if;
    end if;
  end if;
  if leader is null then
    select * into leader from public.gpuwarden_leaders where owner = owner_param;
  end if;
  select * into breaker from public.gpuwarden_state where owner = owner_param and key = 'breaker';
  select value into forced from public.gpuwarden_state where owner = owner_param and key = 'breaker_override'
    and coalesce((value ->> 'expires_at')::timestamptz, 'infinity') > at;
  select value into switches from public.gpuwarden_state where owner = owner_param and key = 'switches';

  return jsonb_build_object(
    'schema_version', (select schema_version from public.gpuwarden_meta),
    'db_now', to_jsonb(at at time zone 'utc') #>> '{}' || 'Z',
    'writable', writable,
    'leader', jsonb_build_object(
      'leading', writable and not looking and coalesce(leader.holder = holder_param, false),
      'epoch', coalesce(leader.epoch, 0), 'holder', coalesce(leader.holder, ''),
      'expires_in_s', greatest(coalesce(extract(epoch from leader.expires_at - at), 0), 0)),
    'queue', public.gpuwarden_queue_depth(),
    'workers', (select coalesce(jsonb_agg(public.gpuwarden_worker_json(g, w, at) order by g.registered_at, g.worker_id), '[]'::jsonb)
                from public.gpuwarden_workers g left join public.workers w on w.id = g.worker_id
                where g.owner = owner_param and g.ended_at is null),
    'running_tasks', (select coalesce(jsonb_agg(jsonb_build_object(
                        'id', t.id, 'task_type', t.task_type, 'worker_id', t.worker_id, 'attempts', coalesce(t.attempts, 0),
                        'running_s', greatest(extract(epoch from at - coalesce(t.generation_started_at, t.updated_at, t.created_at)), 0))
                        order by t.id), '[]'::jsonb)
                      from public.tasks t join public.gpuwarden_workers g on g.worker_id = t.worker_id
                      where t.status = 'In Progress' and g.owner = owner_param and g.ended_at is null),
    'outcomes', public.gpuwarden_outcomes(owner_param, coalesce((options ->> 'failure_window_sec')::double precision, 1800), at),
    'breaker', case when breaker.value is not null then
      breaker.value || jsonb_build_object('state_age_s', greatest(extract(epoch from at - breaker.changed_at), 0)) end,
    'breaker_override', case when forced is not null then jsonb_build_object(
      'kind', forced ->> 'kind', 'actor', coalesce(forced ->> 'actor', ''), 'reason', coalesce(forced ->> 'reason', ''),
      'expires_in_s', extract(epoch from (forced ->> 'expires_at')::timestamptz - at)) end,
    'switches', jsonb_build_object(
      'paused', coalesce((switches ->> 'paused')::boolean, false), 'paused_by', switches ->> 'paused_by',
      'pause_reason', switches ->> 'pause_reason'),
    'tombstones', (select coalesce(jsonb_agg(jsonb_build_object('worker_id', e.worker_id, 'pod_id', e.pod_id,
                     'age_s', greatest(extract(epoch from at - e.ended_at), 0)) order by e.ended_at desc), '[]'::jsonb)
                   from (select worker_id, pod_id, ended_at from public.gpuwarden_workers
                         where owner = owner_param and ended_at > at - interval '24 hours'
                         order by ended_at desc limit 200) e),
    'recent_failures', public.gpuwarden_recent_failures(owner_param, at),
    'failing', public.gpuwarden_failing(owner_param, coalesce((options ->> 'failure_window_sec')::double precision, 1800), at),
    'beacon', beacon,
    'rescuable', (select count(*) from public.gpuwarden_rescuable(options)),
    'spent_last_day_usd', public.gpuwarden_spent_last_day(owner_param, at),
    'fruitless_last_day_usd', public.gpuwarden_fruitless_last_day(owner_param, at),
    'pace', public.gpuwarden_pace(at));
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_snapshot(text, text, integer, jsonb)'); end $close$;
