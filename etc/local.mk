# Files for the system: systemd unit, nginx site, logrotate

parleyd.service: etc/parleyd.service.in Makefile
	$(AM_V_GEN)$(SED) -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/etc/parleyd.service.in > $@.tmp
	$(AM_V_at)mv $@.tmp $@
nginx-site.conf: etc/nginx-site.conf.in Makefile
	$(AM_V_GEN)$(SED) -e 's|[@]pkgdatadir[@]|$(pkgdatadir)|g' $(srcdir)/etc/nginx-site.conf.in > $@.tmp
	$(AM_V_at)mv $@.tmp $@
logrotate: etc/logrotate.in Makefile
	$(AM_V_GEN)$(SED) -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/etc/logrotate.in > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += parleyd.service nginx-site.conf logrotate
EXTRA_DIST += etc/parleyd.service.in etc/nginx-site.conf.in etc/logrotate.in
examples_DATA += nginx-site.conf logrotate
systemdsystemunit_DATA = parleyd.service
