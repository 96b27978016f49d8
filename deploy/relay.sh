# Sets Postfix up by two variables and becomes it. At port 25, which the world reaches, it only takes
# what bounced. Port 587 is for the other containers and not published: whoever is in a private
# network (RFC 1918, RFC 4193) may send there. At 25 that would not do: some engines let everybody's
# connections come from an address of their own.
set -eu
: "${MAIL_NAME:?the name this machine sends under}" "${BOUNCE_DOMAIN:?where bounces come in}"

postconf -e \
    "myhostname = $MAIL_NAME" \
    'mydestination =' \
    'local_recipient_maps =' \
    'mynetworks = 127.0.0.0/8 [::1]/128' \
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
postconf -M 'submission/inet=submission inet n - n - - smtpd'
postconf -P \
    'submission/inet/mynetworks=127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,[::1]/128,[fc00::]/7' \
    'submission/inet/smtpd_relay_restrictions=permit_mynetworks,reject'
exec postfix start-fg
