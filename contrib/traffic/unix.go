package traffic

// unixClient is the newConnClient of a unix socket: an upgrade keeps the listening
// socket by inheritance as it does TCP's, but the name in the file system can be
// lost on its own (connect-refused here, with ENOENT in the text).
type unixClient struct{ newConnClient }
