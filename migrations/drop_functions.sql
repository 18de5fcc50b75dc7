-- Drops the functions and types that the functions.sql which was applied last has created. Without cascade: an object
-- of another program that depends on one of them makes this fail, and nothing is changed.
do $$
declare
	v_schema oid := (select relnamespace from pg_class where oid = 'schema_functions'::regclass);
	v_drop text;
begin
	for v_drop in
		select format('drop %s %s', d.kind, coalesce(p.oid::regprocedure::text, t.oid::regtype::text))
		from (
			select distinct m[1] as kind, m[2] as name
			from schema_functions, regexp_matches(sql, '^create (function|type) (\w+)', 'gn') m
		) d
		left join pg_proc p on d.kind = 'function' and p.proname = d.name and p.pronamespace = v_schema
		left join pg_type t on d.kind = 'type' and t.typname = d.name and t.typnamespace = v_schema
		where p.oid is not null or t.oid is not null
		order by d.kind
	loop
		execute v_drop;
	end loop;
end $$;
