"""The MXNet engine: the only room that imports mxnet or gluoncv."""
