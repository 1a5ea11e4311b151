-- gpuwarden: everything that a report on failures is made of, in one answer and as of one moment.

-- The last lines that the worker, else the startup script, else the container wrote: at most 8 of 400 characters.
create or replace function public.gpuwarden_last_words(tails_param jsonb) returns jsonb
language sql immutable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(cut.line order by cut.place), '[]'::jsonb)
  from (select coalesce(left(l.value #>> '{}', 400), '') as line, l.place
        from (select tails_param -> n.name as lines from unnest(array['worker', 'bootstrap', 'container']) with ordinality as n(name, place)
              where jsonb_typeof(tails_param -> n.name) = 'array' and tails_param -> n.name <> '[]'::jsonb
              order by n.place limit 1) tail
        cross join lateral jsonb_array_elements(tail.lines) with ordinality as l(value, place)
        order by l.place desc limit 8) cut
$$;

-- The newest `limit` failures, small: of the evidence only what a report says. Words stand with the newest failure of each
-- fingerprint only, last lines with that of the newest 20. `starts` are the ends of the last seven days or of the window,
-- whichever is longer, at most 2000: what changed before failures began lies outside the window.
create or replace function public.gpuwarden_incident(owner_param text, since_sec_param double precision, limit_param integer)
returns jsonb
language plpgsql stable security definer set search_path = public, pg_temp as $$
declare
  at timestamptz := clock_timestamp();
  since timestamptz := at - make_interval(secs => greatest(coalesce(since_sec_param, 7200), 0));
  wanted integer := least(greatest(coalesce(limit_param, 1000), 0), 5000);
  leader public.gpuwarden_leaders;
  breaker public.gpuwarden_state;
  forced jsonb;
  switches jsonb;
begin
  select * into leader from public.gpuwarden_leaders where owner = owner_param;
  select * into breaker from public.gpuwarden_state where owner = owner_param and key = 'breaker';
  select value into forced from public.gpuwarden_state where owner = owner_param and key = 'breaker_override'
    and coalesce((value ->> 'expires_at')::timestamptz, 'infinity') > at;
  select value into switches from public.gpuwarden_state where owner = owner_param and key = 'switches';

  return jsonb_build_object(
    'db_now', to_jsonb(at at time zone 'utc') #>> '{}' || 'Z',
    'leader', jsonb_build_object(
      'holder', coalesce(leader.holder, ''), 'epoch', coalesce(leader.epoch, 0),
      'expires_in_s', case when leader.holder is not null then extract(epoch from leader.expires_at - at) end),
    'queue', public.gpuwarden_queue_depth(),
    'live', (select coalesce(jsonb_object_agg(l.status, l.count), '{}'::jsonb)
             from (select public.gpuwarden_status(w.status::text, g.status) as status, count(*) as count
                   from public.gpuwarden_workers g left join public.workers w on w.id = g.worker_id
                   where g.owner = owner_param and g.ended_at is null group by 1) l),
    'breaker', case when breaker.value is not null then
      breaker.value || jsonb_build_object('state_age_s', greatest(extract(epoch from at - breaker.changed_at), 0)) end,
    'breaker_override', case when forced is not null then jsonb_build_object(
      'kind', forced ->> 'kind', 'actor', coalesce(forced ->> 'actor', ''), 'reason', coalesce(forced ->> 'reason', ''),
      'expires_in_s', extract(epoch from (forced ->> 'expires_at')::timestamptz - at)) end,
    'switches', jsonb_build_object(
      'paused', coalesce((switches ->> 'paused')::boolean, false), 'paused_by', switches ->> 'paused_by',
      'pause_reason', switches ->> 'pause_reason'),
    'spent_last_day_usd', public.gpuwarden_spent_last_day(owner_param, at),
    'failed', (select jsonb_build_object('count', count(*), 'cost_usd', coalesce(sum(cost_usd), 0))
               from public.gpuwarden_failures where owner = owner_param and created_at > since),
    'failures', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'worker_id', f.worker_id, 'cause', f.cause, 'fingerprint', f.fingerprint, 'phase', f.phase, 'scope', f.scope,
        'counts', f.counts, 'pod_id', f.pod_id, 'gpu', f.gpu, 'data_center', f.data_center, 'cost_usd', f.cost_usd,
        'created_at', f.created_at, 'tasks', cardinality(f.task_ids),
        'summary', case when f.place = 1 then left(f.summary, 1000) end,
        'evidence_line', case when f.place = 1 then left(f.evidence_line, 1000) end,
        'advice', case when f.place = 1 then left(f.advice, 1000) end,
        'last_words', case when f.place = 1 and f.kind <= 20 then public.gpuwarden_last_words(e.tails) end,
        'image', g.image, 'script_hash', g.script_hash, 'git_commit', g.git_commit, 'canary', g.canary,
        'registered_at', g.registered_at, 'activated_at', g.activated_at,
        'heartbeat', public.gpuwarden_heartbeat(g, w) is not null,
        'reported', g.report is not null or g.crash is not null or g.heartbeat_at is not null,
        'claimed', f.task_ids <> '{}' or g.last_task_at is not null
                   or (select true from public.tasks t where t.worker_id = f.worker_id limit 1) is not null,
        'probed', case when jsonb_typeof(e.probe) = 'object' then e.probe <> '{}'::jsonb else false end,
        'channel', public.gpuwarden_short(e.channel), 'exit_code', public.gpuwarden_short(e.exit_code),
        'signal', public.gpuwarden_short(e.signal),
        'missing', case when jsonb_typeof(e.missing) = 'array' then
          (select jsonb_agg(coalesce(left(m.value #>> '{}', 300), '')) from (select value from jsonb_array_elements(e.missing) limit 5) m) end))
        order by f.created_at desc, f.worker_id), '[]'::jsonb)
      from (select n.*, case when n.place = 1 then count(*) filter (where n.place = 1) over (order by n.created_at desc, n.worker_id) end as kind
            from (select x.*, row_number() over (partition by coalesce(x.fingerprint, x.cause) order by x.created_at desc, x.worker_id) as place
                  from (select * from public.gpuwarden_failures
                        where owner = owner_param and created_at > since order by created_at desc limit wanted) x) n) f
      left join public.gpuwarden_workers g on g.worker_id = f.worker_id
      left join public.workers w on w.id = f.worker_id
      -- Read once a row: each look into a large document unpacks all of it.
      left join lateral jsonb_to_record(case when jsonb_typeof(f.evidence) = 'object' then f.evidence else '{}' end)
        as e(channel jsonb, exit_code jsonb, signal jsonb, missing jsonb, probe jsonb, tails jsonb) on true),
    'starts', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'worker_id', s.worker_id, 'success', s.outcome = 'success',
        'counts', coalesce((select x.counts from public.gpuwarden_failures x where x.worker_id = s.worker_id), true),
        'at', s.outcome_at, 'registered_at', s.registered_at, 'gpu', s.gpu, 'data_center', s.data_center, 'image', s.image,
        'script_hash', s.script_hash, 'git_commit', s.git_commit)) order by s.outcome_at desc), '[]'::jsonb)
      from (select * from public.gpuwarden_workers
            where owner = owner_param and outcome is not null and outcome_at > least(since, at - interval '7 days')
            order by outcome_at desc limit 2000) s),
    'tasks', (
      select coalesce(jsonb_object_agg(h.status, h.count), '{}'::jsonb)
      from (select t.status::text as status, count(*) as count
            from (select distinct unnest(x.task_ids) as id
                  from (select task_ids from public.gpuwarden_failures
                        where owner = owner_param and created_at > since order by created_at desc limit wanted) x) held
            join public.tasks t on t.id = held.id group by 1) h));
end
$$;

do $close$
begin
  perform public.gpuwarden_close('function public.gpuwarden_last_words(jsonb)');
  perform public.gpuwarden_close('function public.gpuwarden_incident(text, double precision, integer)');
  -- The grants of before know these functions only from their second run on.
  if exists (select 1 from pg_roles where rolname = 'service_role') then
    revoke all on function public.gpuwarden_last_words(jsonb) from service_role;
    revoke all on function public.gpuwarden_incident(text, double precision, integer) from service_role;
    grant execute on function public.gpuwarden_incident(text, double precision, integer) to service_role;
  end if;
end
$close$;
