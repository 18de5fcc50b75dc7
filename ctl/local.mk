# parleyctl

sbin_PROGRAMS += parleyctl
parleyctl_SOURCES = ctl/parleyctl.c
parleyctl_LDADD = $(tool_ldadd)
man_MANS += ctl/parleyctl.8
EXTRA_DIST += ctl/parleyctl.8
