-- The name of the database's history (docs/design.md, "Epoch"), and the history that it was given to: see current_epoch
-- in functions.sql. One row, made by the first connection.
create table epoch (
	name text not null check (name ~ '^[0-9A-Za-z-]{1,64}$'),
	history text not null
);
create unique index epoch_one_row on epoch ((true));
