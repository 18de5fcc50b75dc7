-- Drops all relations, routines and types of the schema public. The schema itself, its grants and the objects of
-- extensions stay.
do $$
declare
	r record;
begin
	for r in
		select format('drop routine if exists %I.%I(%s) cascade', s.nspname, p.proname,
			pg_get_function_identity_arguments(p.oid)) as sql
		from pg_proc p join pg_namespace s on s.oid = p.pronamespace
		where s.nspname = 'public' and not exists (select from pg_depend d
			where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
	loop
		execute r.sql;
	end loop;
	for r in
		select format('drop %s if exists %I.%I cascade',
			case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
				when 'f' then 'foreign table' when 'c' then 'type' else 'table' end,
			s.nspname, c.relname) as sql
		from pg_class c join pg_namespace s on s.oid = c.relnamespace
		where s.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
			and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
				and d.objid = c.oid and (d.deptype = 'e' or d.deptype = 'i' and c.relkind = 'S'))
	loop
		execute r.sql;
	end loop;
	for r in
		select format('drop type if exists %I.%I cascade', s.nspname, t.typname) as sql
		from pg_type t join pg_namespace s on s.oid = t.typnamespace
		where s.nspname = 'public' and t.typtype in ('e', 'd') and not exists (select from pg_depend d
			where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
	loop
		execute r.sql;
	end loop;
end $$;
