-- gpuwarden: every query of ours stays on these, however many finished tasks there are. The literals take the type of the
-- column, so that a text status and an enum of any name both work.
--
-- Building one keeps writers off the table until the end of the transaction. Where `tasks` has millions of rows, run these
-- six by hand before the migrations, each on its own; then they are found here and nothing is built:
--
--   create index concurrently if not exists gpuwarden_tasks_queued on public.tasks (created_at, id) where status = 'Queued';
--   create index concurrently if not exists gpuwarden_tasks_running on public.tasks (worker_id) where status = 'In Progress';
--   create index concurrently if not exists gpuwarden_tasks_of_worker on public.tasks (worker_id, updated_at desc) where worker_id is not null;
--   create index concurrently if not exists gpuwarden_tasks_recent on public.tasks (created_at desc);
--   create index concurrently if not exists gpuwarden_tasks_by_status on public.tasks (status, created_at desc);
--   create index concurrently if not exists gpuwarden_tasks_pace on public.tasks (task_type, updated_at desc) where status = 'Complete';

do $migration$
begin
  perform public.gpuwarden_ensure_index('gpuwarden_workers_live', 'gpuwarden_workers (owner) where ended_at is null');
  perform public.gpuwarden_ensure_index('gpuwarden_workers_ended',
    'gpuwarden_workers (owner, ended_at desc) where ended_at is not null');
  perform public.gpuwarden_ensure_index('gpuwarden_workers_outcome',
    'gpuwarden_workers (owner, outcome_at desc) where outcome is not null');
  perform public.gpuwarden_ensure_index('gpuwarden_workers_registered', 'gpuwarden_workers (owner, registered_at desc)');
  perform public.gpuwarden_ensure_index('gpuwarden_failures_recent', 'gpuwarden_failures (owner, created_at desc)');
  perform public.gpuwarden_ensure_index('gpuwarden_failures_tasks', 'gpuwarden_failures using gin (task_ids)');
  perform public.gpuwarden_ensure_index('gpuwarden_tasks_queued', $i$tasks (created_at, id) where status = 'Queued'$i$);
  perform public.gpuwarden_ensure_index('gpuwarden_tasks_running', $i$tasks (worker_id) where status = 'In Progress'$i$);
  -- With the time, because the idle age of a worker asks for its newest task only.
  perform public.gpuwarden_ensure_index('gpuwarden_tasks_of_worker',
    'tasks (worker_id, updated_at desc) where worker_id is not null');
  perform public.gpuwarden_ensure_index('gpuwarden_tasks_recent', 'tasks (created_at desc)');
  perform public.gpuwarden_ensure_index('gpuwarden_tasks_by_status', 'tasks (status, created_at desc)');
  -- What a type of task takes: its newest completed ones.
  perform public.gpuwarden_ensure_index('gpuwarden_tasks_pace', $i$tasks (task_type, updated_at desc) where status = 'Complete'$i$);
end
$migration$;

notify pgrst, 'reload schema';
