"""Passwords in the places that commands and calls have for them, each with its secret, and look-alikes that stay."""

import pyarrow as pa
import pytest

from curate.signals.secret_commands import COMMANDS
from curate.signals.secrets import ReplaceSecrets

SECRET = "Vi0let#4711fox"
DRAWN = "c92f2f5f25a84794ca04551927ee8bde"


def replaced(text: str) -> str:
    out: str = ReplaceSecrets()(pa.record_batch({"text": [text]}))["text"][0].as_py()
    return out


@pytest.mark.parametrize(
    "line",
    [
        "    command: redis-server --requirepass {} --appendonly yes",
        "docker login -u ci -p {} registry.corp.io",
        "echo {} | docker login --username ci --password-stdin registry.corp.io",
        "echo 'root:{}' | chpasswd",
        "useradd -m x && echo '{}' | passwd --stdin x",
        "sqlcmd -S db -U sa -P {} -i x.sql",
        "ldapsearch -x -D cn=admin -w {} -b dc=x",
        "smbclient //srv/share -U anna%{}",
        "zip -P {} -r a.zip x",
        "openssl pkcs12 -export -passout pass:{} -in a.pem",
        "net use Z: //srv/share /user:corp {}",
        "net user deploy {} /add",
        "http -a anna:{} GET https://x.com/f",
        "CREATE USER app IDENTIFIED WITH mysql_native_password BY '{}';",
        "create user app identified by {};",
        "CREATE LOGIN app WITH PASSWORD=N'{}', DEFAULT_DATABASE=[x];",
        "$pw = ConvertTo-SecureString -String '{}' -AsPlainText -Force",
        '$cred = New-Object System.Net.NetworkCredential("anna", "{}", "CORP")',
        "$conn = mysqli_connect('db.corp.com', 'root', '{}', 'shop');",
        "$pdo = new PDO('mysql:host=db;dbname=x', 'root', '{}');",
        'DriverManager.getConnection(url, "root", "{}");',
        'props.put("mail.password", "{}");',
        "set :deploy_password, '{}'",
        'WiFi.begin("HomeNet", "{}");',
        'std::string dbPassword{"{}"};',
        'client.login("anna", "{}")',
        'ftp = FTP("ftp.corp.com", "anna", "{}")',
        'password <- "{}"',
        'if password == "{}":',
        "# password is {}",
        "// login: anna / password: {}",
        "jwt.secret={}",
        "spring.rabbitmq.password:{}",
        "srv1 ansible_host=h ansible_user=root ansible_ssh_pass={}",
        "db: {user: app, password: {}, port: 1}",
        "password: |\n  {}\n",
        "machine git.corp.com\nlogin anna\npassword {}\n",
        "<password><![CDATA[{}]]></password>",
        '<setting name="Password" serializeAs="String">\n  <value>{}</value>\n</setting>',
        "<param-name>dbPassword</param-name>\n<param-value>{}</param-value>",
        'variable "db_password" {\n  type = string\n  description = "The database"\n  default = "{}"\n}',
        "x = 'jdbc:oracle:thin:scott/{}@db:1521:orcl'",
    ],
)
def test_a_password_is_found_where_its_command_or_its_call_has_it(line):
    assert SECRET not in replaced(line.replace("{}", SECRET))


@pytest.mark.parametrize(
    "line",
    [
        'curl -H "Authorization: token {}" https://api.corp.com',
        "https://api.openweathermap.org/data?q=Rome&appid={}",
        'buildConfigField("String", "API_KEY", "\\"{}\\"")',
        'hmacKey := []byte("{}")',
        'const ENCRYPTION_KEY = Buffer.from("{}", "hex");',
        "uri: 'https://x.com/?api_key={}&ssl=true'",
        "https://app.azurewebsites.net/api/f?code={}AAbbCC11==",
        r'"https:\/\/hooks.slack.com\/services\/T0AB12CD3\/B0AB12CD3\/{}"',
    ],
)
def test_a_drawn_key_is_found_in_calls_headers_and_addresses(line):
    assert DRAWN not in replaced(line.replace("{}", DRAWN))


@pytest.mark.parametrize(
    "line",
    [
        "unzip -p archive.zip file.txt > out",
        "curl -u $USER:$PASSWORD https://x.com",
        "echo $PASSWORD | docker login --password-stdin",
        'client.login("anna", "password")',
        "client.login(username, password1)",
        "conn = psycopg2_connect('localhost', 'root', 'secret', 'db1')",
        "the password is required2",
        "def f(user, password: Optional3, port=1): ...",
        "const { user, password: newPassword1, port } = form;",
        "if token == 'Bearer':",
        "key = bytes('utf-8')",
        'variable "db_password" {\n  default = var.other_password1\n}',
        '"ClientRequestToken": "a8ca07e4-61ec-4399-99f4-19853801bcd5"',
        "password: |\n  Enter a password of eight letters.\n",
        "identified by id12345",
        "log = math.log(x1, y2)",
    ],
)
def test_variables_words_and_prompts_in_the_same_places_stay(line):
    assert replaced(line) == line


def test_each_word_is_in_small_letters_as_the_search_needs_it():
    assert all(word == word.lower() for word in COMMANDS)
