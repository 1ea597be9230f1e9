"""Sends bytes that no client library would send and prints what comes back, one named line each.

usage: probe.py PORT [PROBE…]"""
import os, socket, struct, sys, time
# How long nothing must come before that is the answer, in seconds, at least.
patience=float(os.environ.get('AMQP_QUIET','0'))
port=int(sys.argv[1]); only=sys.argv[2:] 
def short(s): b=s if isinstance(s,bytes) else s.encode(); return bytes([len(b)])+b
def longs(b): return struct.pack('>I',len(b))+b
def frame(k,ch,p,end=0xCE): return struct.pack('>BHI',k,ch,len(p))+p+bytes([end])
def method(ch,c,m,args=b''): return frame(1,ch,struct.pack('>HH',c,m)+args)
def table(d):
    out=b''
    for k,v in d.items():
        out+=short(k)
        if isinstance(v,bool): out+=b't'+bytes([v])
        elif isinstance(v,int): out+=b'I'+struct.pack('>i',v) if -2**31<=v<2**31 else b'l'+struct.pack('>q',v)
        elif isinstance(v,float): out+=b'd'+struct.pack('>d',v)
        elif isinstance(v,dict): out+=b'F'+table(v)
        else: out+=b'S'+longs(v.encode())
    return longs(out)
class C:
    def __init__(s):
        s.s=socket.create_connection(('127.0.0.1',port)); s.s.settimeout(3); s.b=b''
    def send(s,b): s.s.sendall(b)
    def read(s,n):
        while len(s.b)<n:
            d=s.s.recv(65536)
            if not d: raise EOFError
            s.b+=d
        r,s.b=s.b[:n],s.b[n:]; return r
    def frame(s):
        k,ch,n=struct.unpack('>BHI',s.read(7)); p=s.read(n); s.read(1); return k,ch,p
    def all(s,quiet=0.4):
        out=[]; s.s.settimeout(max(quiet,patience))
        while True:
            try: k,ch,p=s.frame()
            except (socket.timeout,TimeoutError): out.append('.'); break
            except (EOFError,ConnectionError): out.append('EOF'); break
            if k==8: continue
            if k==1:
                c,m=struct.unpack('>HH',p[:4])
                if (c,m) in((10,50),(20,40)):
                    code,=struct.unpack('>H',p[4:6]); t=p[7:7+p[6]].decode('utf8','replace'); f=struct.unpack('>HH',p[7+p[6]:11+p[6]])
                    out.append(('CLOSE',ch,code,t,f))
                else: out.append((ch,c,m,p[4:]) if (c,m)!=(10,10) else 'start')
            else: out.append((k,ch,p[:60]))
        return out
    def login(s,props={},user='guest',pw='guest',mech='PLAIN',resp=None):
        s.send(b'AMQP\0\0\x09\x01'); s.frame()
        s.send(method(0,10,11,table(props)+short(mech)+longs(resp if resp is not None else b'\0'+user.encode()+b'\0'+pw.encode())+short('en_US')))
    def tune(s,a=2047,f=131072,h=0):
        s.frame(); s.send(method(0,10,31,struct.pack('>HIH',a,f,h)))
    def open(s,v='/'):
        s.login({'capabilities':{'consumer_cancel_notify':True,'basic.nack':True,'authentication_failure_close':True,'connection.blocked':True}}); s.tune(); s.send(method(0,10,40,short(v)+b'\0\0')); return s
    def chan(s,n=1):
        s.open(); s.frame(); s.send(method(n,20,10,b'\0')); s.frame(); return s
P={}
def probe(f): P[f.__name__]=f; return f
def show(name,r):
    # How a silence ends is a matter of time, not of what is said.
    if isinstance(r,list): r=[x for x in r if x not in('.','EOF')]
    print(name.replace(': ','='), r, sep=': ')
def pub(ch=1,ex='',rk='q',bits=0): return method(ch,60,40,b'\0\0'+short(ex)+short(rk)+bytes([bits]))
def head(ch=1,size=0,flags=0,props=b'',cls=60,weight=0): return frame(2,ch,struct.pack('>HHQH',cls,weight,size,flags)+props)
def qd(ch=1,q='',bits=0,args={}): return method(ch,50,10,b'\0\0'+short(q)+bytes([bits])+table(args))
def ed(ch=1,e='',k='direct',bits=0,args={}): return method(ch,40,10,b'\0\0'+short(e)+short(k)+bytes([bits])+table(args))
def consume(q,tag='t',bits=0,args={}): return method(1,60,20,b'\0\0'+short(q)+short(tag)+bytes([bits])+table(args))
@probe
def header_bad():
    for h in (b'AMQP\0\0\x09\x02',b'AMQP\x00\x01\0\0',b'AMQP\x03\x01\0\0',b'HTTP/1.1',b'AMQP\x01\x01\0\x09',b'AMQP\x01\x01\x09\x01',b'AMQP\0\0\x09\x00'):
        c=C(); c.send(h); c.s.settimeout(.5)
        try: r=c.s.recv(8)
        except Exception as e: r=repr(e)
        show('header %r'%h, 'start' if r[:1]==b'\1' else r)
@probe
def auth():
    for props in ({}, {'capabilities':{'authentication_failure_close':True}}):
        c=C(); c.login(props,pw='bad'); show('auth fail %s'%bool(props), c.all(2.5))
    c=C(); c.login({},mech='NOPE'); show('auth unknown mech',c.all(2.5))
    c=C(); c.login({},mech='AMQPLAIN',resp=table({'LOGIN':'guest','PASSWORD':'guest'})[4:]); show('amqplain',[x[:3] for x in c.all() if x!='.'])
@probe
def tune():
    for a,f in ((0,131072),(2048,131072),(10,4095),(10,0),(10,131073)):
        c=C(); c.login(); c.tune(a,f); c.send(method(0,10,40,short('/')+b'\0\0')); show('tune %s %s'%(a,f),c.all())
@probe
def heartbeat():
    c=C(); c.login(); c.tune(h=1); c.send(method(0,10,40,short('/')+b'\0\0')); c.s.settimeout(20)
    kinds=set()
    try:
        while True: kinds.add(c.frame()[0])
    except (EOFError,ConnectionError): ended='closed'
    except (socket.timeout,TimeoutError): ended='still open'
    show('heartbeats of a silent client', (8 in kinds, ended))
@probe
def vhost():
    c=C().open('nope'); show('vhost nope',c.all())
@probe
def pretune():
    c=C(); c.send(b'AMQP\0\0\x09\x01'); c.frame(); c.send(frame(1,0,b'\0'*9000)); show('pretune oversize',c.all(2))
@probe
def frames():
    for name,b in dict(type9=frame(9,1,b''),badend=frame(1,1,b'abcd',0),oversize=frame(3,1,b'x'*131081)[:20],tol=frame(3,1,b'x'*131072),hb1=frame(8,1,b''),hb0=frame(8,0,b'x'),body0=frame(3,0,b'x'),hdr0=frame(2,0,b'\0'*14),short=frame(1,1,b'\0'),unk=method(1,60,99),unkcls=method(1,77,10),unk0=method(0,10,99),trail=method(1,60,80,b'\0'*12),trunc=method(1,60,80,b'\0'*3),basic0=method(0,60,80,b'\0'*9),open10=method(1,10,40,short('/')+b'\0\0')).items():
        c=C().chan(); c.send(b); show('frame '+name,c.all(1))
@probe
def channel():
    c=C().chan(); c.send(method(1,20,10,b'\0')); show('second open',c.all())
    c=C().chan(); c.send(method(2,60,80,b'\0'*9)); show('not open',c.all())
    c=C().chan(); c.send(method(2048,20,10,b'\0')); show('chan too high',c.all())
    c=C().chan(); c.send(method(1,20,20,b'\0')); show('flow false',c.all())
    c=C().chan(); c.send(method(1,20,20,b'\1')); show('flow true',c.all())
    c=C().chan(); c.send(method(1,20,41)); show('close-ok unasked',c.all())
    c=C().chan(); c.send(method(1,60,80,struct.pack('>QB',9,0))+method(1,60,80,struct.pack('>QB',9,0))); closed=c.all()
    # Only now: RabbitMQ's reader may answer the open before its channel closes.
    c.send(method(1,20,41)+method(1,20,10,b'\0')); show('close then reopen',closed+c.all())
@probe
def content():
    c=C().chan(); c.send(frame(3,1,b'x')); show('body first',c.all())
    c=C().chan(); c.send(head(1)); show('header first',c.all())
    c=C().chan(); c.send(pub()+pub()); show('publish publish',c.all())
    c=C().chan(); c.send(pub()+frame(3,1,b'x')); show('publish body',c.all())
    c=C().chan(); c.send(pub()+head(1,5)+head(1,5)); show('publish header header',c.all())
    c=C().chan(); c.send(pub()+head(1,5)+pub()); show('publish header publish',c.all())
    c=C().chan(); c.send(pub()+head(1,2)+frame(3,1,b'xyz')); show('body too long',c.all())
    c=C().chan(); c.send(pub()+head(1,2,cls=50)); show('wrong class',c.all())
    c=C().chan(); c.send(pub()+head(1,0,weight=1)+method(1,20,20,b'\1')); show('weight',c.all())
    c=C().chan(); c.send(pub()+head(1,2**40)); show('huge size',c.all())
    c=C().chan(); c.send(pub(bits=2)+head(1)); show('immediate',c.all())
    c=C().chan(); c.send(pub(bits=1,rk='nowhere')+head(1)); show('mandatory',c.all())
    c=C().chan(); c.send(pub(ex='nope')+head(1)+method(1,20,20,b'\1')); show('publish no exchange',c.all())
    c=C().chan(); c.send(pub(ex='amq.rabbitmq.trace')+head(1)+method(1,20,20,b'\1')); show('publish internal',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<8,short('abc'))+method(1,20,20,b'\1')); show('expiration abc',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<8,short('-1'))+method(1,20,20,b'\1')); show('expiration -1',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<8,short(''))+method(1,20,20,b'\1')); show('expiration empty',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<8,short('99999999999999'))+method(1,20,20,b'\1')); show('expiration huge',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<4,short('bob'))+method(1,20,20,b'\1')); show('user id',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<13,longs(b'\x01aQ'))+method(1,20,20,b'\1')); show('bad table',c.all())
@probe
def ack():
    c=C().chan(); c.send(method(1,60,80,struct.pack('>QB',9,0))); show('ack unknown',c.all())
    c=C().chan(); c.send(method(1,60,80,struct.pack('>QB',0,0))); show('ack 0',c.all())
    c=C().chan(); c.send(method(1,60,80,struct.pack('>QB',0,1))+method(1,20,20,b'\1')); show('ack 0 multiple',c.all())
    c=C().chan(); c.send(method(1,60,80,struct.pack('>QB',9,1))); show('ack 9 multiple',c.all())
    c=C().chan(); c.send(method(1,60,120,struct.pack('>QB',9,3))); show('nack 9 multiple',c.all())
    c=C().chan(); c.send(method(1,60,90,struct.pack('>QB',9,1))); show('reject',c.all())
    c=C().chan(); c.send(method(1,60,110,b'\0')); show('recover false',c.all())
    c=C().chan(); c.send(method(1,60,110,b'\1')); show('recover true',c.all())
    c=C().chan(); c.send(method(1,60,10,struct.pack('>IHB',8,1,0))); show('prefetch size',c.all())
@probe
def modes():
    c=C().chan(); c.send(method(1,90,20)); show('commit no tx',c.all())
    c=C().chan(); c.send(method(1,90,30)); show('rollback no tx',c.all())
    c=C().chan(); c.send(method(1,85,10,b'\0')+method(1,90,10)); show('confirm tx',c.all())
    c=C().chan(); c.send(method(1,90,10)+method(1,85,10,b'\0')); show('tx confirm',c.all())
@probe
def queues():
    c=C().chan(); c.send(qd(q='nope',bits=1)); show('passive none',c.all())
    c=C().chan(); c.send(qd(q='amq.x')); show('reserved queue',c.all())
    c=C().chan(); c.send(qd(q='d1',bits=2)+qd(q='d1')); show('durable differs',c.all())
    c=C().chan(); c.send(qd(q='d2',bits=2,args={'x-message-ttl':1000})+qd(q='d2',bits=2,args={'x-message-ttl':2000})); show('ttl differs',c.all())
    c=C().chan(); c.send(qd(q='d2',bits=2)); show('ttl missing',c.all())
    c=C().chan(); c.send(qd(q='d1',bits=2,args={'x-message-ttl':20000})); show('ttl added',c.all())
    c=C().chan(); c.send(qd(q='d1',bits=2,args={'x-max-priority':5})); show('prio added',c.all())
    c=C().chan(); c.send(qd(q='d1',bits=2,args={'x-whatever':5})); show('unknown arg added',c.all())
    c=C().chan(); c.send(qd(q='d1',bits=2,args={'x-queue-type':'quorum'})); show('type differs',c.all())
    c=C().chan(); c.send(qd(q='d1',bits=10)); show('auto delete differs',c.all())
    for a in ({'x-message-ttl':-1},{'x-message-ttl':'a'},{'x-expires':0},{'x-max-length':-5},{'x-overflow':'bad'},{'x-max-priority':256},{'x-max-priority':-1},{'x-dead-letter-exchange':5},{'x-dead-letter-routing-key':'k'},{'x-queue-type':'bad'},{'x-queue-type':5},{'x-single-active-consumer':'a'},{'x-queue-mode':'bad'},{'x-max-age':'7D'},{'x-delivery-limit':5}):
        c=C().chan(); c.send(qd(q='bad',bits=2,args=a)); show('arg %r'%a,c.all())
    for a,b in (({'x-queue-type':'quorum'},0),({'x-queue-type':'quorum'},4+2),({'x-queue-type':'quorum'},8+2),({'x-queue-type':'stream'},0),({'x-queue-type':'quorum','x-max-priority':5},2)):
        c=C().chan(); c.send(qd(q='badq',bits=b,args=a)); show('kind %r %d'%(a,b),c.all())
    c=C().chan(); c.send(method(1,50,30,b'\0\0'+short('nope')+b'\0')); show('purge none',c.all())
    c=C().chan(); c.send(method(1,50,30,b'\0\0'+short('')+b'\0')); show('purge last none',c.all())
    c=C().chan(); c.send(method(1,50,40,b'\0\0'+short('nope')+b'\0')); show('delete none',c.all())
    c=C().chan(); c.send(method(1,60,70,b'\0\0'+short('nope')+b'\0')); show('get none',c.all())
    c=C().chan(); c.send(method(1,60,20,b'\0\0'+short('nope')+short('t')+b'\0'+table({}))); show('consume none',c.all())
    c=C().chan(); c.send(consume('d1')); c.frame(); c.send(consume('d1')); show('tag twice',c.all())
    c=C().chan(); c.send(consume('d1',bits=4)); c.frame(); c.send(consume('d1','u')); show('exclusive consumer',c.all())
    c=C().chan(); c.send(method(1,60,30,short('nope')+b'\0')); show('cancel unknown',c.all())
    c=C().chan(); c.send(pub(rk='d1')+head(1)+method(1,50,40,b'\0\0'+short('d1')+b'\2')); show('delete if-empty',c.all())
    c=C().chan(); c.send(qd(q='d4',bits=2)+pub(rk='d4')+head(1,1)+frame(3,1,b'x')+method(1,60,70,b'\0\0'+short('d4')+b'\0')); show('get before delete if-empty',c.all()); c.send(method(1,50,40,b'\0\0'+short('d4')+b'\2')); show('delete if-empty, unacked',c.all())
    c=C().chan(); c.send(consume('d1')); c.all(); c.send(method(1,50,40,b'\0\0'+short('d1')+b'\1')); show('delete if-unused',c.all())
    c=C().chan(); c.send(method(1,60,20,b'\0\0'+short('d1')+short('t')+b'\0'+table({'x-priority':'a'}))); show('x-priority text',c.all())
    c=C().chan(); c.send(qd(q='e\r\nx',bits=2)); show('crlf',c.all())
    c=C().chan(); c.send(method(1,50,40,b'\0\0'+short('d1')+b'\0')+method(1,50,40,b'\0\0'+short('d2')+b'\0')+method(1,50,40,b'\0\0'+short('ex')+b'\0')); show('cleanup',c.all())
    c=C().chan(); c.send(qd(q='d3',bits=2)+consume('d3')); c.all(); c.send(method(1,50,40,b'\0\0'+short('d3')+b'\0')); show('cancel notify',c.all())
@probe
def exclusive():
    a=C().chan(); a.send(qd(q='x1',bits=4)); show('exclusive declare',a.all())
    for n,b in dict(passive=qd(q='x1',bits=1),declare=qd(q='x1',bits=4),declare_plain=qd(q='x1'),consume=method(1,60,20,b'\0\0'+short('x1')+short('t')+b'\0'+table({})),get=method(1,60,70,b'\0\0'+short('x1')+b'\0'),purge=method(1,50,30,b'\0\0'+short('x1')+b'\0'),delete=method(1,50,40,b'\0\0'+short('x1')+b'\0'),bind=method(1,50,20,b'\0\0'+short('x1')+short('amq.direct')+short('k')+b'\0'+table({}))).items():
        c=C().chan(); c.send(b); show('exclusive '+n,c.all())
    a.send(method(1,50,10,b'\0\0'+short('x1')+b'\0'+table({}))); show('own not exclusive',a.all())
@probe
def exchanges():
    c=C().chan(); c.send(ed(e='nope',bits=1)); show('x passive none',c.all())
    c=C().chan(); c.send(ed(e='',bits=0)); show('x default',c.all())
    c=C().chan(); c.send(ed(e='amq.nope')); show('x reserved',c.all())
    c=C().chan(); c.send(ed(e='amq.direct',bits=2)); show('x amq same',c.all())
    c=C().chan(); c.send(ed(e='amq.direct',k='topic',bits=2)); show('x amq other',c.all())
    c=C().chan(); c.send(ed(e='e1',k='nokind')); show('x unknown type',c.all())
    c=C().chan(); c.send(ed(e='e1',bits=2)+ed(e='e1',k='topic',bits=2)); show('x type differs',c.all())
    c=C().chan(); c.send(ed(e='e1',bits=0)); show('x durable differs',c.all())
    c=C().chan(); c.send(ed(e='e1',bits=6)); show('x autodelete differs',c.all())
    c=C().chan(); c.send(ed(e='e1',bits=10)); show('x internal differs',c.all())
    c=C().chan(); c.send(ed(e='e1',bits=2,args={'alternate-exchange':'a'})); show('x ae differs',c.all())
    c=C().chan(); c.send(ed(e='e2',bits=2,args={'alternate-exchange':5})); show('x ae bad',c.all())
    c=C().chan(); c.send(method(1,40,20,b'\0\0'+short('amq.direct')+b'\0')); show('x delete amq',c.all())
    c=C().chan(); c.send(method(1,40,20,b'\0\0'+short('nope')+b'\0')); show('x delete none',c.all())
    c=C().chan(); c.send(method(1,40,20,b'\0\0'+short('')+b'\0')); show('x delete default',c.all())
    c=C().chan(); c.send(qd(q='bq',bits=2)+method(1,50,20,b'\0\0'+short('bq')+short('')+short('k')+b'\0'+table({}))); show('bind default',c.all())
    c=C().chan(); c.send(method(1,50,20,b'\0\0'+short('bq')+short('nope')+short('k')+b'\0'+table({}))); show('bind no exchange',c.all())
    c=C().chan(); c.send(method(1,50,20,b'\0\0'+short('nope')+short('e1')+short('k')+b'\0'+table({}))); show('bind no queue',c.all())
    c=C().chan(); c.send(method(1,50,20,b'\0\0'+short('nope')+short('nox')+short('k')+b'\0'+table({}))); show('bind neither',c.all())
    c=C().chan(); c.send(method(1,50,50,b'\0\0'+short('bq')+short('e1')+short('k')+table({}))); show('unbind none',c.all())
    c=C().chan(); c.send(method(1,50,50,b'\0\0'+short('bq')+short('nope')+short('k')+table({}))); show('unbind no exchange',c.all())
    c=C().chan(); c.send(method(1,50,50,b'\0\0'+short('nope')+short('e1')+short('k')+table({}))); show('unbind no queue',c.all())
    c=C().chan(); c.send(method(1,40,30,b'\0\0'+short('nope')+short('e1')+short('k')+b'\0'+table({}))); show('xbind no dest',c.all())
    c=C().chan(); c.send(method(1,50,20,b'\0\0'+short('bq')+short('e1')+short('k')+b'\0'+table({}))+method(1,40,20,b'\0\0'+short('e1')+b'\1')); show('x delete if-unused',c.all())
    c=C().chan(); c.send(method(1,50,20,b'\0\0'+short('bq')+short('amq.headers')+short('k')+b'\0'+table({'x-match':'bad'}))); show('bad x-match',c.all())
    c=C().chan(); c.send(ed(e='i1',bits=8)+pub(ex='i1')+head(1)+method(1,20,20,b'\1')); show('publish internal own',c.all())
    c=C().chan(); c.send(method(1,40,20,b'\0\0'+short('e1')+b'\0')+method(1,40,20,b'\0\0'+short('i1')+b'\0')+method(1,50,40,b'\0\0'+short('bq')+b'\0')); show('x cleanup',c.all())
@probe
def stream():
    c=C().chan(); c.send(qd(q='s1',bits=2,args={'x-queue-type':'stream'})); show('stream declare',c.all(1))
    c=C().chan(); c.send(method(1,60,70,b'\0\0'+short('s1')+b'\0')); show('stream get',c.all())
    c=C().chan(); c.send(method(1,50,30,b'\0\0'+short('s1')+b'\0')); show('stream purge',c.all())
    c=C().chan(); c.send(method(1,60,20,b'\0\0'+short('s1')+short('t')+b'\0'+table({}))); show('stream no prefetch',c.all())
    c=C().chan(); c.send(method(1,60,10,struct.pack('>IHB',0,10,0))+method(1,60,20,b'\0\0'+short('s1')+short('t')+b'\2'+table({}))); show('stream no_ack',c.all())
    c=C().chan(); c.send(method(1,60,10,struct.pack('>IHB',0,10,0))+method(1,60,20,b'\0\0'+short('s1')+short('t')+b'\0'+table({'x-stream-offset':'bad'}))); show('stream bad offset',c.all())
    c=C().chan(); c.send(method(1,60,10,struct.pack('>IHB',0,10,0))+method(1,60,20,b'\0\0'+short('s1')+short('t')+b'\4'+table({}))); show('stream exclusive',c.all())
    c=C().chan(); c.send(method(1,50,40,b'\0\0'+short('s1')+b'\0')); show('stream delete',c.all())
@probe
def replyto():
    c=C().chan(); c.send(method(1,60,20,b'\0\0'+short('amq.rabbitmq.reply-to')+short('t')+b'\0'+table({}))); show('reply-to with ack',c.all())
    c=C().chan(); c.send(pub()+head(1,0,1<<9,short('amq.rabbitmq.reply-to'))); show('reply-to no consumer',c.all())
    c=C().chan(); c.send(method(1,60,20,b'\0\0'+short('amq.rabbitmq.reply-to')+short('t')+b'\2'+table({}))*2); show('reply-to twice',c.all())
    c=C().chan(); c.send(qd(q='amq.rabbitmq.reply-to',bits=1)); show('reply-to passive',c.all())
    c=C().chan(); c.send(qd(q='amq.rabbitmq.reply-to.x',bits=1)); show('reply-to.x passive',c.all())
for n,f in P.items():
    if not only or n in only:
        try: f()
        except Exception as e: show(n+' FAILED',repr(e))
