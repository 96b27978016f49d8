# Sets Postfix up by two variables and becomes it. Networks of containers are private ones (RFC 1918,
# RFC 4193); whoever is in one may send, everybody else may only bring back what bounced.
set -eu
: "${MAIL_NAME:?the name this machine sends under}" "${BOUNCE_DOMAIN:?where bounces come in}"

postconf -e \
    "myhostname = $MAIL_NAME" \
    'mydestination =' \
    'local_recipient_maps =' \
    'mynetworks = 127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 [::1]/128 [fc00::]/7' \
    "relay_domains = $BOUNCE_DOMAIN" \
    'relay_recipient_maps =' \
    "transport_maps = inline:{ { $BOUNCE_DOMAIN = lmtp:inet:scheduler:2424 } }" \
    'smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination' \
    'smtpd_recipient_restrictions = reject_non_fqdn_recipient' \
    'smtp_tls_security_level = may' \
    'smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt' \
    'default_process_limit = 200' \
    'smtp_destination_concurrency_limit = 10' \
    'maximal_queue_lifetime = 2d' \
    'bounce_queue_lifetime = 1d' \
    'message_size_limit = 10240000' \
    'maillog_file = /dev/stdout' \
    'compatibility_level = 3.6'
exec postfix start-fg
